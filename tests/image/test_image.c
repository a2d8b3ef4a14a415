/* backends/console_image.h with tools/image: pictures become smaller, and nothing else happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <gd.h>
#include <string.h>

#include "backends/console_image.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

static const char *const types[] = { "image/png", "image/jpeg", "image/gif", "image/webp" };

static gdImagePtr drawn(int width, int height)
{
	gdImagePtr im = gdImageCreateTrueColor(width, height);

	assert_non_null(im);
	gdImageAlphaBlending(im, 0);
	gdImageSaveAlpha(im, 1);
	/* Red on the left, nothing at all on the right. */
	gdImageFilledRectangle(im, 0, 0, width / 2, height - 1, gdTrueColorAlpha(255, 0, 0, 0));
	gdImageFilledRectangle(im, width / 2 + 1, 0, width - 1, height - 1,
	                       gdTrueColorAlpha(0, 0, 0, gdAlphaMax));
	return im;
}

static void encode(const char *type, int width, int height, struct corral_buf *ret)
{
	gdImagePtr im = drawn(width, height);
	void *data;
	int size;

	if (!strcmp(type, "image/png"))
		data = gdImagePngPtr(im, &size);
	else if (!strcmp(type, "image/jpeg"))
		data = gdImageJpegPtr(im, &size, 90);
	else if (!strcmp(type, "image/gif"))
		data = gdImageGifPtr(im, &size);
	else
		data = gdImageWebpPtr(im, &size);
	assert_non_null(data);
	corral_buf_add(ret, data, (size_t)size);
	gdFree(data);
	gdImageDestroy(im);
}

static gdImagePtr decode(const char *type, struct corral_buf *b)
{
	gdImagePtr im =
	        !strcmp(type, "image/png")    ? gdImageCreateFromPngPtr((int)b->len, b->data)
	        : !strcmp(type, "image/jpeg") ? gdImageCreateFromJpegPtr((int)b->len, b->data)
	        : !strcmp(type, "image/gif")  ? gdImageCreateFromGifPtr((int)b->len, b->data)
	                                      : gdImageCreateFromWebpPtr((int)b->len, b->data);

	assert_non_null(im);
	return im;
}

static int fit(const char *program, const char *type, struct corral_buf *b,
               struct corral_error *err)
{
	return console_image_fit(program, type, NULL, b, err);
}

static void large_pictures_become_as_large_as_a_model_takes(void **state)
{
	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(types); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
		struct corral_error err = { 0 };
		gdImagePtr im;
		int left, right;

		encode(types[i], 1000, 3136, &b);
		if (fit(CORRAL_IMAGE, types[i], &b, &err) != 1)
			fail_msg("%s: %s", types[i], err.text);
		im = decode(types[i], &b);
		assert_int_equal(gdImageSX(im), 500);
		assert_int_equal(gdImageSY(im), CORRAL_CONSOLE_IMAGE_EDGE);
		left = gdImageGetTrueColorPixel(im, 100, 100);
		right = gdImageGetTrueColorPixel(im, 400, 100);
		assert_true(gdTrueColorGetRed(left) > 240 && gdTrueColorGetBlue(left) < 16);
		if (i == 0 || i == 3)
			assert_true(gdTrueColorGetAlpha(right) > gdAlphaMax - 2);
		gdImageDestroy(im);
	}
}

static void small_pictures_stay_as_they_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(types); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, same = CORRAL_BUF_INIT;
		struct corral_error err = { 0 };

		encode(types[i], CORRAL_CONSOLE_IMAGE_EDGE, 20, &b);
		encode(types[i], CORRAL_CONSOLE_IMAGE_EDGE, 20, &same);
		assert_int_equal(fit(CORRAL_IMAGE, types[i], &b, &err), 0);
		assert_int_equal(b.len, same.len);
		assert_memory_equal(b.data, same.data, b.len);
	}
}

static void broken_pictures_are_ebadmsg_and_stay_as_they_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(types); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
		struct corral_error err = { 0 };

		encode(types[i], 3000, 20, &b);
		b.len = 8;
		assert_int_equal(fit(CORRAL_IMAGE, types[i], &b, &err), -EBADMSG);
		assert_int_equal(b.len, 8);
	}
}

static uint32_t crc(const unsigned char *data, size_t len)
{
	uint32_t c = ~0u;

	for (size_t i = 0; i < len; i++) {
		c ^= data[i];
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
	}
	return ~c;
}

/* Some bytes of a file that say 60,000 times 60,000 pixels. */
static void enormous_pictures_end_soon(void **state)
{
	unsigned char png[] =
	        "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xea\x60\0\0\xea\x60\x08\6\0\0\0....";
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	uint32_t sum = crc(png + 12, 17);
	uint64_t began = corral_now_ms();
	struct corral_error err = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++)
		png[29 + i] = (unsigned char)(sum >> (24 - 8 * i));
	corral_buf_add(&b, (const char *)png, sizeof(png) - 1);
	assert_int_equal(fit(CORRAL_IMAGE, "image/png", &b, &err), -EBADMSG);
	assert_true(corral_now_ms() - began < 10000);
}

static void missing_program_is_enoent(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };

	(void)state;
	encode(types[0], 10, 10, &b);
	assert_int_equal(fit(NULL, types[0], &b, &err), -ENOENT);
	assert_string_equal(err.text, "corral-image is not installed");
	assert_int_equal(fit("/no/such", types[0], &b, &err), -ENOENT);
	/* One that ends without a word. */
	assert_int_equal(fit("/bin/true", types[0], &b, &err), -EBADMSG);
}

/* Files, sockets, processes, code: a decoder that is taken over dies of each. */
static void decoder_that_is_taken_over_dies(void **state)
{
	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(types); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
		struct corral_error err = { 0 };

		encode(types[i], 10, 10, &b);
		if (fit(CORRAL_IMAGE_TAKEN, types[i], &b, &err) != -EBADMSG)
			fail_msg("%s: it lives, %s", types[i], err.text);
		assert_string_equal(err.text, "it is broken, or too many pixels");
	}
}

/* What was scaled cannot be told from what was broken off. */
static void status_that_nobody_has_is_no_success(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };
	size_t len;
	int r;

	(void)state;
	encode(types[0], 1000, 3136, &b);
	len = b.len;
	(void)signal(SIGCHLD, SIG_IGN);
	r = fit(CORRAL_IMAGE, types[0], &b, &err);
	(void)signal(SIGCHLD, SIG_DFL);
	assert_true(r < 0);
	assert_int_equal(b.len, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_pictures_become_as_large_as_a_model_takes),
		cmocka_unit_test(small_pictures_stay_as_they_are),
		cmocka_unit_test(broken_pictures_are_ebadmsg_and_stay_as_they_are),
		cmocka_unit_test(enormous_pictures_end_soon),
		cmocka_unit_test(missing_program_is_enoent),
		cmocka_unit_test(decoder_that_is_taken_over_dies),
		cmocka_unit_test(status_that_nobody_has_is_no_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
