"""What a client of QUIC does with its sockets under network "allow": as clients.js says it. The first packet is
the one of RFC 9001, A.2; whoever echoes it shows that it came there whole."""
import errno, socket, sys, time

late_ms, allowed, allowed6, denied, denied6 = int(sys.argv[1]), *sys.argv[2:6]

# From socket(7), ip(7), ipv6(7) and udp(7); Python has not all of them.
IP_TOS, IP_MTU_DISCOVER, IP_RECVERR, PMTUDISC_DO, PMTUDISC_PROBE = 1, 10, 11, 2, 3
IPV6_MTU_DISCOVER, IPV6_TCLASS, UDP_SEGMENT, UDP_GRO = 23, 67, 103, 104
ECT0 = 2

# The long header: version 1, eight bytes of the destination's connection id, none of the source's, no token.
INITIAL = bytes.fromhex(open(sys.path[0] + '/initial.hex').read())
assert len(INITIAL) == 1200 and INITIAL[1:14] == bytes.fromhex('00000001088394c8f03e515708')


def opened(address, connected=True, df=PMTUDISC_DO, ecn=False):
    six = ':' in address
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3)
    if six:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, df)
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_TCLASS, ECT0 if ecn else 0)
    else:
        s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, df)
        s.setsockopt(socket.IPPROTO_IP, IP_TOS, ECT0 if ecn else 0)
    if connected:
        s.connect((address, 443))
    return s


def exchange(s, packet=INITIAL):
    s.send(packet)
    if s.recv(9000) != packet:
        raise ValueError('another packet')


def initial(address, **how):
    exchange(opened(address, **how))


def segments(address):
    s = opened(address)
    s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(INITIAL))
    s.send(INITIAL * 4)
    for _ in range(4):
        if s.recv(9000) != INITIAL:
            raise ValueError('another packet')


def probe(address, size):
    exchange(opened(address, df=PMTUDISC_PROBE), INITIAL + b'\0' * (size - len(INITIAL)))


def rebound(address):
    """Of the same connection from another port, as after a change of network."""
    s = opened(address)
    exchange(s)
    exchange(opened(address))
    exchange(s)


def migrated(address, other):
    """To the address that a server prefers, by the socket that is there."""
    s = opened(address)
    exchange(s)
    s.connect((other, 443))
    exchange(s)


def unconnected(address):
    s = opened(address, connected=False)
    s.sendto(INITIAL, (address, 443))
    s.recv(9000)


def begun_elsewhere(address, other):
    """With a connection that is open, another destination."""
    s = opened(address, connected=False)
    s.sendto(INITIAL, (address, 443))
    s.recv(9000)
    s.sendto(INITIAL, (other, 443))
    s.recv(9000)


def mapped(address):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.settimeout(3)
    s.connect(('::ffff:' + address, 443))
    exchange(s)


WORDS = {errno.ECONNREFUSED: 'refused', errno.EHOSTUNREACH: 'refused', errno.EACCES: 'refused',
         errno.EPERM: 'refused', errno.EMSGSIZE: 'long'}
CHECKS = {
    'yes-quic-initial': lambda: initial(allowed),
    'yes-quic-initial6': lambda: initial(allowed6),
    'yes-quic-mapped': lambda: mapped(allowed),
    'yes-quic-unconnected': lambda: unconnected(allowed),
    'yes-quic-ecn': lambda: initial(allowed, ecn=True),
    'yes-quic-ecn6': lambda: initial(allowed6, ecn=True),
    'yes-quic-segments': lambda: segments(allowed),
    'yes-quic-segments6': lambda: segments(allowed6),
    'yes-quic-probe': lambda: probe(allowed, 1472),
    'yes-quic-probe6': lambda: probe(allowed6, 1452),
    'yes-quic-rebound': lambda: rebound(allowed),
    'long-quic-probe': lambda: probe(allowed, 1473),
    'long-quic-probe6': lambda: probe(allowed6, 1453),
    'refused-quic-initial': lambda: initial(denied),
    'refused-quic-initial6': lambda: initial(denied6),
    'refused-quic-mapped': lambda: mapped(denied),
    'refused-quic-unconnected': lambda: unconnected(denied),
    'refused-quic-ecn': lambda: initial(denied, ecn=True),
    'refused-quic-segments': lambda: segments(denied),
    'refused-quic-segments6': lambda: segments(denied6),
    'refused-quic-probe': lambda: probe(denied, 1472),
    'refused-quic-migrated': lambda: migrated(allowed, denied),
    'refused-quic-migrated6': lambda: migrated(allowed6, denied6),
    'refused-quic-begun-elsewhere': lambda: begun_elsewhere(allowed, denied),
}


def once(check):
    begun = time.monotonic()
    try:
        check()
        what = 'yes'
    except OSError as e:
        what = WORDS.get(e.errno, repr(e))
    return 'late' if (time.monotonic() - begun) * 1000 > late_ms else what


for name, check in CHECKS.items():
    for _ in range(3):
        what = once(check)
        if what != 'late':
            break
    print(f'{name}={what}')
