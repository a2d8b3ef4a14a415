#include "tools/run_end.h"

#include "tools/exechint.h"
#include "tools/exitcode.h"
#include "tools/message.h"
#include "tools/receipt_json.h"
#include "tools/summary.h"

int corral_run_end_tell(struct corral_run_end *end, int r, struct corral_error *err)
{
	const struct corral_options *o = end->options;
	struct corral_receipt *receipt = &end->receipt;
	struct corral_error json_err = { 0 };
	int status = CORRAL_EXIT_FAILED;

	/* What was cut is missing, even if the command had nothing more to say. */
	if (r == 0 && corral_relay_cut(end->relay) &&
	    (receipt->reason == CORRAL_REASON_EXIT || receipt->reason == CORRAL_REASON_SIGNAL))
		receipt->reason = CORRAL_REASON_OUTPUT;
	if (r == 0 && corral_relay_error(end->relay))
		r = corral_error_sys(err, corral_relay_error(end->relay), "write standard output");
	if (r < 0 && receipt->exec_error)
		corral_exec_hint(o->config->argv[0], false, err);
	else if (r < 0)
		end->has_receipt = false;
	if (end->has_receipt)
		status = corral_exit_status(receipt);
	if (r < 0)
		(void)corral_complain(err);
	else
		corral_verdict_print(receipt, end->limits);
	if (o->summary && end->has_receipt)
		corral_summary_print(receipt, end->limits, status);
	if (o->json_fd >= 0 &&
	    corral_receipt_json_write(o->json_fd, end->has_receipt ? receipt : NULL, status,
	                              r < 0 ? err : NULL, &json_err) < 0)
		status = corral_complain(&json_err);
	return status;
}
