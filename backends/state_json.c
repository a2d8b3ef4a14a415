/* The files in memory as a JSON document, and the other way round. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "backends/state_files.h"
#include "kernel/base/base64.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"

/* A document is refused unread beyond this many times the budget: escapes and base64 need some. */
#define JSON_PER_BYTE 8u
#define JSON_FREE     (1u << 20)

static void json_put(json_t **j)
{
	json_decref(*j);
}
#define auto_json corral_auto(json_put) json_t *

static int no_memory(struct corral_error *err)
{
	return corral_error_set(err, ENOMEM, "out of memory");
}

static json_t *lines_of(const char *data, size_t len)
{
	json_t *lines = json_array();
	const char *end = data + len;

	for (;;) {
		const char *stop = memchr(data, '\n', (size_t)(end - data));

		if (!stop)
			stop = end;
		if (json_array_append_new(lines, json_stringn(data, (size_t)(stop - data))) < 0) {
			json_decref(lines);
			return NULL;
		}
		if (stop == end)
			return lines;
		data = stop + 1;
	}
}

static json_t *chunk_of(const char *data, size_t len)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	json_t *chunks = json_array();

	corral_base64_encode(&text, data, len);
	if (text.failed ||
	    json_array_append_new(chunks, json_stringn(text.data ? text.data : "", text.len)) < 0) {
		json_decref(chunks);
		return NULL;
	}
	return chunks;
}

static json_t *document_of(const struct corral_state_node *node)
{
	const struct corral_state_content *c = node->content;
	bool text = corral_utf8_valid(c->data, c->len);
	char created[CORRAL_STATE_TIME_SIZE], modified[CORRAL_STATE_TIME_SIZE];

	corral_state_time_format(node->created_nsec, created);
	corral_state_time_format(node->modified_nsec, modified);
	if (text)
		return json_pack("{s:o, s:s, s:s}", "content", lines_of(c->data, c->len),
		                 "created_at", created, "modified_at", modified);
	return json_pack("{s:o, s:s, s:s, s:s}", "content", chunk_of(c->data, c->len), "created_at",
	                 created, "modified_at", modified, "encoding", "base64");
}

static int dump_add(struct corral_buf *b, json_t *j)
{
	char *text = json_dumps(j, JSON_ENCODE_ANY);

	if (!text)
		return -ENOMEM;
	corral_buf_str(b, text);
	free(text);
	return b->failed ? -ENOMEM : 0;
}

/* One file at a time, so that of all of them there is only the text. */
static int export_tree(const struct corral_state_tree *t, struct corral_buf *b)
{
	bool first = true;
	int r = 0;

	corral_buf_str(b, "{");
	for (size_t i = 0; r == 0 && i < t->n; i++) {
		auto_json key = NULL;
		auto_json document = NULL;

		if (!t->nodes[i]->content)
			continue;
		key = json_string(t->nodes[i]->path);
		document = document_of(t->nodes[i]);
		if (!first)
			corral_buf_str(b, ", ");
		first = false;
		r = key && document ? dump_add(b, key) : -ENOMEM;
		corral_buf_str(b, ": ");
		if (r == 0)
			r = dump_add(b, document);
	}
	corral_buf_str(b, "}");
	return b->failed ? -ENOMEM : r;
}

int corral_state_backend_export(struct corral_backend *b, struct corral_buf *ret,
                                struct corral_error *err)
{
	corral_auto(corral_state_tree_done) struct corral_state_tree tree = { 0 };
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_state *s = corral_state_of(b, err);
	int r;

	if (!s)
		return -EINVAL;
	pthread_mutex_lock(&s->lock);
	r = corral_state_tree_copy(&s->tree, &tree);
	pthread_mutex_unlock(&s->lock);
	if (r == 0)
		r = export_tree(&tree, &text);
	if (r == 0)
		corral_buf_add(ret, text.data, text.len);
	return r < 0 || ret->failed ? no_memory(err) : 0;
}

static int time_of(const json_t *document, const char *key, const char *path, int64_t *ret,
                   struct corral_error *err)
{
	const json_t *j = json_object_get(document, key);

	if (!j || json_is_null(j))
		return 0;
	if (!json_is_string(j) || corral_state_time_parse(json_string_value(j), ret) < 0)
		return corral_error_set(err, EINVAL, "files['%.200s'].%s: not an ISO 8601 time",
		                        path, key);
	return 0;
}

/* The content's items as one: bytes, however they were written. */
static int bytes_of(const json_t *document, const char *path, uint32_t first,
                    struct corral_buf *ret, struct corral_error *err)
{
	const json_t *content = json_object_get(document, "content");
	const json_t *encoding = json_object_get(document, "encoding");
	const char *name = json_string_value(encoding);
	corral_autobuf struct corral_buf base64 = CORRAL_BUF_INIT;
	bool text = !encoding || json_is_null(encoding);
	const json_t *item;
	size_t i;

	if (!text && (!name || strcmp(name, "base64") != 0))
		return corral_error_set(err, EINVAL,
		                        "files['%.200s'].encoding: base64 is the only one", path);
	if (!json_is_array(content))
		return corral_error_set(err, EINVAL, "files['%.200s'].content: not a list", path);
	json_array_foreach(content, i, item)
	{
		if (!json_is_string(item))
			return corral_error_set(err, EINVAL,
			                        "files['%.200s'].content[%zu]: not a string", path,
			                        i);
		if (!text) {
			corral_buf_add(&base64, json_string_value(item), json_string_length(item));
			continue;
		}
		if (i)
			corral_buf_str(ret, "\n");
		corral_state_surrogates_bytes(json_string_value(item), json_string_length(item),
		                              first, ret);
	}
	if (!text && corral_base64_decode(base64.data ? base64.data : "", base64.len, ret) < 0)
		return corral_error_set(err, EINVAL, "files['%.200s'].content: not base64", path);
	return ret->failed || base64.failed ? no_memory(err) : 0;
}

static int import_file(struct corral_state_tree *t, const char *key, const json_t *document,
                       uint32_t first, uint64_t max, struct corral_error *err)
{
	corral_autobuf struct corral_buf data = CORRAL_BUF_INIT;
	char path[CORRAL_FILES_PATH_MAX];
	struct corral_state_node *node;
	int r = corral_state_path(key, path, err);

	if (r < 0)
		return corral_error_wrap(err, r, "files['%.200s']", key);
	if (!path[1] || !json_is_object(document))
		return corral_error_set(err, EINVAL, "files['%.200s']: not a file", key);
	if (corral_state_tree_find(t, path))
		return corral_error_set(err, EINVAL, "files['%.200s']: there are two of it", key);
	r = bytes_of(document, key, first, &data, err);
	if (r < 0)
		return r;
	node = corral_state_node_new(path);
	if (!node)
		return no_memory(err);
	node->mode = 0644;
	node->created_nsec = node->modified_nsec = corral_state_now_nsec();
	node->content = corral_state_content_new(data.data, data.len);
	r = time_of(document, "created_at", key, &node->created_nsec, err);
	if (r == 0)
		r = time_of(document, "modified_at", key, &node->modified_nsec, err);
	if (r == 0 && !node->content)
		r = no_memory(err);
	if (r < 0) {
		corral_state_node_free(node);
		return r;
	}
	r = corral_state_tree_put_take(t, node, max);
	if (r == -ENOTDIR || r == -EISDIR)
		return corral_error_set(err, EINVAL, "files['%.200s']: a file and a directory",
		                        key);
	return r == -ENOMEM ? no_memory(err) : r;
}

static int parse(const char *json, size_t len, json_t **ret, uint32_t *ret_first,
                 struct corral_error *err)
{
	corral_autobuf struct corral_buf hidden = CORRAL_BUF_INIT;
	int r = corral_state_surrogates_hide(json, len, &hidden, ret_first);
	json_error_t why;

	if (r == -ENOMEM)
		return no_memory(err);
	if (r < 0)
		return corral_error_set(err, EINVAL, "files: no private characters are left");
	if (hidden.len) {
		json = hidden.data;
		len = hidden.len;
	}
	*ret = json_loadb(json, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	if (!*ret)
		return corral_error_set(err, EINVAL, "files: line %d: %s", why.line, why.text);
	if (!json_is_object(*ret))
		return corral_error_set(err, EINVAL, "files: not an object of paths");
	return 0;
}

int corral_state_backend_import(struct corral_backend *b, const char *json, size_t len,
                                struct corral_error *err)
{
	corral_auto(corral_state_tree_done) struct corral_state_tree tree = { 0 };
	struct corral_state *s = corral_state_of(b, err);
	struct corral_state_tree old;
	auto_json files = NULL;
	uint32_t first;
	const char *key;
	json_t *document;
	int r;

	if (!s)
		return -EINVAL;
	if (len > JSON_FREE && (len - JSON_FREE) / JSON_PER_BYTE > s->max_bytes)
		return corral_state_full(s, err);
	r = parse(json, len, &files, &first, err);
	if (r < 0)
		return r;
	json_object_foreach(files, key, document)
	{
		r = import_file(&tree, key, document, first, s->max_bytes, err);
		if (r == -ENOSPC)
			return corral_state_full(s, err);
		if (r < 0)
			return r;
	}
	pthread_mutex_lock(&s->lock);
	old = s->tree;
	s->tree = tree;
	tree = old;
	pthread_mutex_unlock(&s->lock);
	return 0;
}
