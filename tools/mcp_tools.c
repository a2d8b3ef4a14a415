/* The tools as the protocol describes them. */
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/mcp_state.h"

/* What a client may show its user, and ask about, by these. */
static json_t *annotations_of(const struct corral_mcp *m, const struct corral_console_tool *tool)
{
	bool reads = tool->operation == CORRAL_PERMISSION_READ ||
	             tool->operation == CORRAL_PERMISSION_LS ||
	             tool->operation == CORRAL_PERMISSION_GLOB ||
	             tool->operation == CORRAL_PERMISSION_GREP;

	(void)m;
	return json_pack("{s:b, s:b, s:b, s:b}", "readOnlyHint", reads, "destructiveHint", !reads,
	                 "idempotentHint", reads, "openWorldHint", 0);
}

json_t *corral_mcp_tools_list(const struct corral_mcp *m)
{
	const struct corral_console_tool *const *tools;
	json_t *list = json_array();
	size_t n;

	tools = corral_console_toolset_tools(m->options->toolset, &n);
	for (size_t i = 0; list && i < n; i++) {
		json_t *schema = json_loads(tools[i]->schema, 0, NULL);
		json_t *tool = json_pack("{s:s, s:s, s:o, s:o}", "name", tools[i]->name,
		                         "description", tools[i]->description, "inputSchema",
		                         schema, "annotations", annotations_of(m, tools[i]));

		if (!tool || json_array_append_new(list, tool) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list ? json_pack("{s:o}", "tools", list) : NULL;
}
