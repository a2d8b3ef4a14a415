// What Node does under network "allow". Prints NAME=WHAT for each check; a name begins with what it should be:
// yes, or the error that a program is told: refused, unknown (a name), nodata. "late" is all that took LATE_MS.
const [, , lateMs, allowed, allowed6, denied, denied6, far] = process.argv;
const { Resolver, promises: names } = require('dns');
const dgram = require('dgram'), http = require('http'), net = require('net');

const words = { ECONNREFUSED: 'refused', EHOSTUNREACH: 'refused', EPERM: 'refused', EACCES: 'refused',
	ENOTFOUND: 'unknown', ENODATA: 'nodata' };

function word(e) {
	// Of several addresses each has its error, and fetch has what it heard as a cause.
	const told = (e.cause && e.cause.errors && e.cause.errors[0]) || e.cause || (e.errors && e.errors[0]) || e;
	return words[told.code] || String(told.code || told);
}

const get = options => new Promise((done, failed) => http.get(options, r => {
	r.resume();
	r.on('end', done);
}).on('error', failed));

const connect = options => new Promise((done, failed) => {
	const s = net.connect(options, () => done(s.destroy()));
	s.on('error', failed);
});

// As happy eyeballs are given them, in this order.
const among = (...list) => connect({ host: 'allowed.example', port: 80, autoSelectFamily: true,
	lookup: (name, options, done) => done(null, list.map(a => ({ address: a, family: net.isIP(a) }))) });

const datagram = (type, address) => new Promise((done, failed) => {
	const s = dgram.createSocket(type);
	const end = (how, e) => { s.close(); how(e); };
	s.on('error', e => end(failed, e));
	s.on('message', () => end(done));
	s.connect(443, address, e => e ? end(failed, e) : s.send(Buffer.alloc(1200), f => f && end(failed, f)));
});

function asking(server, name, type) {
	const r = new Resolver({ timeout: 1000, tries: 1 });
	r.setServers([server]);
	return new Promise((done, failed) => r.resolve(name, type, (e, found) => e ? failed(e) : done(found)));
}

const checks = {
	'yes-node-get': () => get('http://allowed.example/'),
	'yes-node-get6': () => get({ host: 'allowed.example', family: 6 }),
	'yes-node-fetch': () => fetch('http://allowed.example/').then(r => r.text()),
	'yes-node-connect': () => connect({ host: 'allowed.example', port: 443 }),
	'yes-node-mapped': () => connect({ host: '::ffff:' + allowed, port: 80 }),
	'yes-node-eyeballs': () => connect({ host: 'allowed.example', port: 80, autoSelectFamily: true }),
	'yes-node-eyeballs-refused-first': () => among(denied6, allowed),
	'yes-node-eyeballs-refused-4-first': () => among(denied, allowed6),
	'yes-node-resolve4': () => names.resolve4('allowed.example'),
	'yes-node-resolve6': () => names.resolve6('allowed.example'),
	'yes-node-lookup-all': () => names.lookup('allowed.example', { all: true }),
	'yes-node-datagram': () => datagram('udp4', allowed),
	'yes-node-datagram6': () => datagram('udp6', allowed6),
	'nodata-node-mx': () => names.resolveMx('allowed.example'),
	'nodata-node-srv': () => names.resolveSrv('allowed.example'),
	'unknown-node-get': () => get('http://denied.example/'),
	'unknown-node-fetch': () => fetch('http://denied.example/'),
	'unknown-node-fetch-redirect': () => fetch('http://allowed.example/to-denied'),
	'unknown-node-resolve4': () => names.resolve4('denied.example'),
	'unknown-node-resolve6': () => names.resolve6('denied.example'),
	'unknown-node-mx': () => names.resolveMx('denied.example'),
	'unknown-node-rebinding': () => get('http://absent.allowed.example.denied.example/'),
	'refused-node-get': () => get(`http://${denied}/`),
	'refused-node-get6': () => get(`http://[${denied6}]/`),
	'refused-node-fetch': () => fetch(`http://${denied}/`),
	'refused-node-port': () => connect({ host: 'allowed.example', port: 8080 }),
	'refused-node-mapped': () => connect({ host: '::ffff:' + denied, port: 80 }),
	'refused-node-eyeballs': () => among(denied6, denied),
	'refused-node-datagram': () => datagram('udp4', denied),
	'refused-node-datagram6': () => datagram('udp6', denied6),
	'refused-node-set-servers': () => asking(far, 'denied.example', 'A'),
	'refused-node-set-servers-allowed': () => asking(allowed, 'denied.example', 'A'),
	'refused-node-set-servers6': () => asking(`[${denied6}]`, 'denied.example', 'AAAA'),
	'refused-node-set-servers-txt': () => asking(far, 'secret.denied.example', 'TXT'),
};

async function once(check) {
	const begun = Date.now();
	let late, what;
	const limit = new Promise(done => { late = setTimeout(done, 2 * lateMs, 'late'); });
	try {
		what = await Promise.race([limit, check().then(() => 'yes')]);
	} catch (e) {
		what = word(e);
	}
	clearTimeout(late);
	return Date.now() - begun > lateMs ? 'late' : what;
}

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 18 || (major === 18 && minor < 13)) {
	console.log('yes-node=skip');
	process.exit(0);
}

(async () => {
	for (const [name, check] of Object.entries(checks)) {
		let what = 'late';
		for (let i = 0; i < 3 && what === 'late'; i++)
			what = await once(check);
		console.log(`${name}=${what}`);
	}
	process.exit(0);
})();
