// corral mcp as the official client of the protocol sees it.
// usage: node sdk.mjs CORRAL
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

const corral = process.env.CORRAL_BINARY;

async function connect(...args) {
	const transport = new StdioClientTransport({ command: corral, args: ['mcp', ...args], stderr: 'inherit' });
	const client = new Client({ name: 'test', version: '1' });
	await client.connect(transport);
	return client;
}

function directory() {
	return fs.mkdtempSync(path.join(os.tmpdir(), 'corral-mcp-'));
}

async function call(client, name, args, options) {
	const result = await client.callTool({ name, arguments: args }, undefined, options);
	// What stands beside an image is a word on it.
	assert.ok(result.content.length === 1 || result.content[0].type === 'image');
	return result;
}

async function text(client, name, args) {
	return (await call(client, name, args)).content[0].text;
}

// Each place that the tools can work on.
const places = {
	sandbox: () => ({ args: [] }),
	workspace: () => { const dir = directory(); return { dir, args: ['--workspace', dir] }; },
	local: () => { const dir = directory(); return { dir, args: ['--local', dir] }; },
};

for (const [name, place] of Object.entries(places)) {
	test(`${name}: every tool does what it says`, async () => {
		const { dir, args } = place();
		const client = await connect(...args);
		try {
			assert.equal(client.getServerVersion().name, 'corral');
			assert.match(client.getInstructions(), /Console Tools/);
			const { tools } = await client.listTools();
			assert.deepEqual(tools.map((t) => t.name).sort(), ['edit_file', 'execute', 'glob', 'grep', 'kill_shell',
				'list_shells', 'ls', 'read_file', 'read_output', 'run_in_background', 'write_file']);
			for (const tool of tools) {
				assert.equal(tool.inputSchema.type, 'object');
				assert.ok(tool.description.length > 20);
			}
			assert.equal(await text(client, 'write_file', { path: 'a/b.txt', content: 'one\ntwo\n' }), 'Wrote 2 lines to a/b.txt');
			assert.match(await text(client, 'read_file', { path: 'a/b.txt' }), /^ {5}1\tone\n {5}2\ttwo$/);
			assert.equal(await text(client, 'edit_file', { path: 'a/b.txt', old_string: 'two', new_string: 'zwei' }),
				'Edited a/b.txt: replaced 1 occurrence(s)');
			assert.match(await text(client, 'ls', { path: 'a' }), /^Contents of a:\n {2}b\.txt \(9 bytes\)$/);
			assert.match(await text(client, 'glob', { pattern: '**/*.txt' }), /a\/b\.txt/);
			assert.match(await text(client, 'grep', { pattern: 'zw.i', output_mode: 'content' }), /a\/b\.txt:2: zwei/);
			assert.match(await text(client, 'execute', { command: 'cat a/b.txt; pwd' }), /^one\nzwei\n\//);
			if (dir)
				assert.equal(fs.readFileSync(path.join(dir, 'a/b.txt'), 'utf8'), 'one\nzwei\n');
			const failed = await call(client, 'execute', { command: 'echo out; exit 3' });
			assert.equal(failed.isError, true);
			assert.match(failed.content[0].text, /^Command failed \(exit code 3\):\nout/);
			assert.match(await text(client, 'run_in_background', { command: 'echo ready; sleep 60' }), /^Started background shell bg_1 /);
			for (let i = 0; i < 1000; i++) {
				const output = await text(client, 'read_output', { shell_id: 'bg_1' });
				if (/ready/.test(output))
					break;
				assert.ok(i < 999, output);
				await new Promise((resolve) => setTimeout(resolve, 20));
			}
			assert.match(await text(client, 'list_shells', {}), /^bg_1 {2}running {2}echo ready; sleep 60$/);
			assert.equal(await text(client, 'kill_shell', { shell_id: 'bg_1' }), 'Killed background shell bg_1.');
		} finally {
			await client.close();
			if (dir)
				fs.rmSync(dir, { recursive: true });
		}
	});

	test(`${name}: wrong input is a clear error`, async () => {
		const { dir, args } = place();
		const client = await connect(...args);
		try {
			await assert.rejects(client.callTool({ name: 'no_such', arguments: {} }), /no_such/);
			for (const [tool, wrong] of [['read_file', {}], ['read_file', { path: 7 }], ['read_file', { path: 'x', offset: -1 }],
				['write_file', { path: 'x\u0000y', content: '' }], ['ls', { path: '.', more: 1 }]]) {
				const result = await call(client, tool, wrong);
				assert.equal(result.isError, true, JSON.stringify(wrong));
				assert.match(result.content[0].text, /path|offset|content|more/);
			}
			const missing = await call(client, 'read_file', { path: 'no/such' });
			assert.equal(missing.isError, true);
			assert.match(missing.content[0].text, /^Error: File 'no\/such' not found/);
			const pattern = await call(client, 'grep', { pattern: '(' });
			assert.equal(pattern.isError, true);
			// It is all still there.
			await client.ping();
		} finally {
			await client.close();
			if (dir)
				fs.rmSync(dir, { recursive: true });
		}
	});

	test(`${name}: a call taken back ends what it started`, async () => {
		const { dir, args } = place();
		const client = await connect(...args);
		try {
			const stop = new AbortController();
			const mark = `sleep 61.${process.pid}`;
			const running = call(client, 'execute', { command: mark, timeout: 60 }, { signal: stop.signal });
			const alive = async () => (await text(client, 'execute',
				// A pattern that is not itself what it looks for.
				{ command: `grep -zlx '[6]1.${process.pid}' /proc/[0-9]*/cmdline 2>/dev/null | wc -l` })).trim();
			for (let i = 0; await alive() === '0'; i++)
				assert.ok(i < 200, 'it never ran');
			stop.abort('enough');
			await assert.rejects(running);
			for (let i = 0; await alive() !== '0'; i++)
				assert.ok(i < 200, 'it is still running');
		} finally {
			await client.close();
			if (dir)
				fs.rmSync(dir, { recursive: true });
		}
	});
}

test('long commands tell how they go, and many run at once', async () => {
	const client = await connect();
	try {
		const told = [];
		const slow = call(client, 'execute', { command: 'for i in 1 2 3 4; do echo $i; sleep 0.7; done' },
			{ onprogress: (p) => told.push(p) });
		const quick = await Promise.all(Array.from({ length: 8 }, (_, i) => text(client, 'execute', { command: `echo ${i}` })));
		assert.deepEqual(quick.map((t) => t.trim()), ['0', '1', '2', '3', '4', '5', '6', '7']);
		assert.match((await slow).content[0].text, /1\n2\n3\n4/);
		assert.ok(told.length >= 1);
		assert.match(told[0].message, /bytes of output/);
		for (let i = 1; i < told.length; i++)
			assert.ok(told[i].progress > told[i - 1].progress);
	} finally {
		await client.close();
	}
});

test('what went wrong is logged to who wants to know', async () => {
	const client = await connect();
	try {
		const logged = [];
		client.setNotificationHandler(LoggingMessageNotificationSchema, (n) => { logged.push(n.params); });
		await client.setLoggingLevel('info');
		await call(client, 'execute', { command: 'exit 5' });
		assert.ok(logged.some((l) => l.logger === 'corral' && /exit code 5/.test(l.data)));
	} finally {
		await client.close();
	}
});

test('images are given as what they are, if asked for', async () => {
	const dir = directory();
	const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==', 'base64');
	fs.writeFileSync(path.join(dir, 'dot.png'), png);
	const client = await connect('--local', dir, '--images');
	try {
		const result = await call(client, 'read_file', { path: 'dot.png' });
		assert.equal(result.content[0].type, 'image');
		assert.equal(result.content[0].mimeType, 'image/png');
		assert.deepEqual(Buffer.from(result.content[0].data, 'base64'), png);
	} finally {
		await client.close();
		fs.rmSync(dir, { recursive: true });
	}
});

test('session: a sandbox that stays is worked in, and stays', async () => {
	const run = (...args) => execFileSync(corral, args, { encoding: 'utf8' });
	const id = run('sandbox', 'create').trim();
	try {
		const client = await connect('--session', id);
		try {
			assert.equal(await text(client, 'write_file', { path: 'a b.txt', content: 'one\n' }), 'Wrote 1 lines to a b.txt');
			assert.match(await text(client, 'execute', { command: 'cat "a b.txt"; echo two >>"a b.txt"' }), /^one\n/);
			assert.match(await text(client, 'read_file', { path: 'a b.txt' }), /\tone\n.*\ttwo/);
			assert.match(await text(client, 'grep', { pattern: 'tw', output_mode: 'content' }), /a b\.txt:2: two/);
			const { tools } = await client.listTools();
			assert.ok(tools.some((t) => t.name === 'run_in_background'));
			assert.match(await text(client, 'run_in_background', { command: 'echo ready; sleep 60' }), /^Started background shell bg_1 /);
			for (let i = 0; !/ready/.test(run('sandbox', 'logs', id, 'bg_1')); i++)
				assert.ok(i < 200);
			assert.match(await text(client, 'read_output', { shell_id: 'bg_1' }), /ready/);
			assert.doesNotMatch(await text(client, 'read_output', { shell_id: 'bg_1' }), /ready/);
			assert.match(await text(client, 'list_shells', {}), /^bg_1 {2}running {2}echo ready; sleep 60$/);
		} finally {
			await client.close();
		}
		// It is the sandbox's, and not the client's.
		const other = await connect('--session', id);
		try {
			assert.match(await text(other, 'read_output', { shell_id: 'bg_1' }), /ready/);
			assert.equal(await text(other, 'kill_shell', { shell_id: 'bg_1' }), 'Killed background shell bg_1.');
		} finally {
			await other.close();
		}
		assert.match(run('exec', id, '--', 'cat', 'a b.txt'), /one\ntwo/);
		assert.match(run('grep', '--session', id, 'one'), /a b\.txt:1:one/);
	} finally {
		run('sandbox', 'rm', '-f', id);
	}
});

test('rules hold', async () => {
	const dir = directory();
	fs.writeFileSync(path.join(dir, 'plain.txt'), 'text\n');
	const client = await connect('--local', dir, '--permissions', 'readonly');
	try {
		const { tools } = await client.listTools();
		assert.ok(!tools.some((t) => ['execute', 'write_file', 'edit_file'].includes(t.name)));
		assert.match(await text(client, 'read_file', { path: 'plain.txt' }), /text/);
	} finally {
		await client.close();
		fs.rmSync(dir, { recursive: true });
	}
});
