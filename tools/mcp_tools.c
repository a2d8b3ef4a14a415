/* The tools as the protocol describes them. */
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/mcp_state.h"

/* What a client may show its user, and ask about, by these. */
static json_t *annotations_of(const struct corral_console_tool *tool)
{
	bool reads = tool->operation == CORRAL_PERMISSION_READ ||
	             tool->operation == CORRAL_PERMISSION_LS ||
	             tool->operation == CORRAL_PERMISSION_GLOB ||
	             tool->operation == CORRAL_PERMISSION_GREP ||
	             tool->id == CORRAL_CONSOLE_READ_OUTPUT ||
	             tool->id == CORRAL_CONSOLE_LIST_SHELLS;

	return json_pack("{s:b, s:b, s:b, s:b}", "readOnlyHint", reads, "destructiveHint", !reads,
	                 "idempotentHint", reads, "openWorldHint", 0);
}

json_t *corral_mcp_tools_list(const struct corral_mcp *m)
{
	const struct corral_console_schema *schema =
	        corral_console_toolset_schema(m->options->toolset);
	json_t *list = json_array();

	for (size_t i = 0; list && i < corral_console_schema_count(schema); i++) {
		const struct corral_console_tool *t = corral_console_schema_tool(schema, i);
		json_t *tool =
		        json_pack("{s:s, s:s, s:o, s:o}", "name", t->name, "description",
		                  t->description, "inputSchema", json_loads(t->parameters, 0, NULL),
		                  "annotations", annotations_of(t));

		if (!tool || json_array_append_new(list, tool) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list ? json_pack("{s:o}", "tools", list) : NULL;
}
