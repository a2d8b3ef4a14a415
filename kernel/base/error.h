/*
 * The one error idiom: a function that can fail returns 0 (or an fd, or a count) or -errno, and
 * takes a struct corral_error * as its last parameter, which may be NULL. The return value alone
 * steers; the text is a value on the caller's stack, for people.
 */
#ifndef CORRAL_KERNEL_BASE_ERROR_H
#define CORRAL_KERNEL_BASE_ERROR_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_ERROR_TEXT_SIZE 508

struct corral_error {
	int code;                          /* errno value; 0 means "not set" */
	char text[CORRAL_ERROR_TEXT_SIZE]; /* "outer: inner: cause" */
};

/* A fault that we found ourselves. Returns -code. */
int corral_error_set(struct corral_error *err, int code, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/* A fault that the system reported: adds ": " and strerror(code). Returns -code. */
int corral_error_sys(struct corral_error *err, int code, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * What we were doing when the inner call failed with r (negative): puts "text: " in front. When it
 * does not fit, the context is cut, never the cause. Returns r.
 */
int corral_error_wrap(struct corral_error *err, int r, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__
/* It reads one file at a time, and has to be told that none of these returns 0. */
#define corral_error_told(call)                  \
	__extension__({                          \
		int told_ = (call);              \
		if (told_ >= 0)                  \
			__builtin_unreachable(); \
		told_;                           \
	})
#define corral_error_set(...)  corral_error_told((corral_error_set)(__VA_ARGS__))
#define corral_error_sys(...)  corral_error_told((corral_error_sys)(__VA_ARGS__))
#define corral_error_wrap(...) corral_error_told((corral_error_wrap)(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
