import java.io.InputStream;
import java.net.*;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.SocketChannel;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.Hashtable;
import javax.naming.Context;
import javax.naming.NameNotFoundException;
import javax.naming.directory.InitialDirContext;

/*
 * What Java does under network "allow": as clients.js does. Unless it is told otherwise each of its sockets
 * is IPv6's, and an IPv4 address is ::ffff:ADDRESS to the kernel.
 */
class Clients {
	interface Check {
		void run() throws Exception;
	}

	static String variant;
	static long lateMs;

	static String word(Throwable e) {
		for (Throwable c = e; c != null; c = c.getCause())
			if (c instanceof UnknownHostException || c instanceof UnresolvedAddressException ||
			    c instanceof NameNotFoundException)
				return "unknown";
		for (Throwable c = e; c != null; c = c.getCause()) {
			String text = String.valueOf(c.getMessage());
			// HttpClient's own has no text.
			if (c instanceof ConnectException || c instanceof PortUnreachableException ||
			    text.contains("refused") || text.contains("No route to host") || text.contains("not permitted"))
				return "refused";
		}
		return e.toString();
	}

	static void check(String name, Check check) {
		String what = "late";
		for (int i = 0; i < 3 && what.equals("late"); i++) {
			long begun = System.currentTimeMillis();
			try {
				check.run();
				what = "yes";
			} catch (Exception e) {
				what = word(e);
			}
			if (System.currentTimeMillis() - begun > lateMs)
				what = "late";
		}
		int dash = name.indexOf('-');
		System.out.println(name.substring(0, dash) + "-" + variant + name.substring(dash) + "=" + what);
	}

	static void url(String text) throws Exception {
		URLConnection c = new URL(text).openConnection();
		c.setReadTimeout(5000);
		try (InputStream in = c.getInputStream()) {
			in.readAllBytes();
		}
	}

	static void client(String text) throws Exception {
		HttpClient.newBuilder().followRedirects(HttpClient.Redirect.ALWAYS).build().send(
		        HttpRequest.newBuilder(URI.create(text)).timeout(Duration.ofSeconds(5)).build(),
		        HttpResponse.BodyHandlers.ofString());
	}

	static void socket(InetAddress address, int port) throws Exception {
		try (Socket s = new Socket(address, port)) {
		}
	}

	static void channel(String host, int port) throws Exception {
		try (SocketChannel c = SocketChannel.open(new InetSocketAddress(host, port))) {
		}
	}

	static void datagram(String host, int port) throws Exception {
		try (DatagramSocket s = new DatagramSocket()) {
			s.setSoTimeout(3000);
			s.connect(InetAddress.getByName(host), port);
			s.send(new DatagramPacket(new byte[1200], 1200));
			s.receive(new DatagramPacket(new byte[2000], 2000));
		}
	}

	/* Of no connected socket: what refuses is heard by nobody, unless sending fails. */
	static void letter(String host, int port) throws Exception {
		try (DatagramSocket s = new DatagramSocket()) {
			s.send(new DatagramPacket(new byte[100], 100, InetAddress.getByName(host), port));
		}
	}

	static void asking(String server, String name) throws Exception {
		Hashtable<String, String> how = new Hashtable<>();
		how.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.dns.DnsContextFactory");
		how.put(Context.PROVIDER_URL, "dns://" + server + "/");
		how.put("com.sun.jndi.dns.timeout.initial", "500");
		how.put("com.sun.jndi.dns.timeout.retries", "1");
		new InitialDirContext(how).getAttributes(name, new String[] { "A" });
	}

	static InetAddress mapped(String address) throws Exception {
		byte[] four = InetAddress.getByName(address).getAddress(), all = new byte[16];
		all[10] = all[11] = (byte)0xff;
		System.arraycopy(four, 0, all, 12, 4);
		return InetAddress.getByAddress(all);
	}

	public static void main(String[] args) throws Exception {
		variant = args[0];
		lateMs = Long.parseLong(args[1]);
		String allowed = args[2], allowed6 = args[3], denied = args[4], denied6 = args[5], far = args[6];

		check("yes-url", () -> url("http://allowed.example/"));
		check("yes-mapped", () -> socket(mapped(allowed), 443));
		check("yes-channel", () -> channel("allowed.example", 443));
		check("yes-datagram", () -> datagram(allowed, 443));
		check("unknown-url", () -> url("http://denied.example/"));
		check("refused-url", () -> url("http://" + denied + "/"));
		check("refused-mapped", () -> socket(mapped(denied), 80));
		check("refused-port", () -> channel("allowed.example", 8080));
		check("refused-datagram", () -> datagram(denied, 443));
		check("refused-letter", () -> letter(denied, 443));
		if (Boolean.getBoolean("java.net.preferIPv4Stack"))
			return;
		check("yes-client", () -> client("http://allowed.example/"));
		check("yes-all-by-name", () -> InetAddress.getAllByName("allowed.example"));
		check("yes-address", () -> socket(InetAddress.getByName(allowed), 80));
		check("yes-address6", () -> socket(InetAddress.getByName(allowed6), 80));
		check("yes-datagram6", () -> datagram(allowed6, 443));
		check("unknown-client", () -> client("http://denied.example/"));
		check("unknown-redirect", () -> client("http://allowed.example/to-denied"));
		check("unknown-all-by-name", () -> InetAddress.getAllByName("denied.example"));
		check("unknown-channel", () -> channel("denied.example", 80));
		check("refused-client", () -> client("http://" + denied + "/"));
		check("refused-client6", () -> client("http://[" + denied6 + "]/"));
		check("refused-mapped-text", () -> socket(InetAddress.getByName("::ffff:" + denied), 80));
		check("refused-url6", () -> url("http://[" + denied6 + "]/"));
		check("refused-datagram6", () -> datagram(denied6, 443));
		check("refused-name-server", () -> asking(far, "denied.example"));
		check("refused-name-server-allowed", () -> asking(allowed, "denied.example"));
	}
}
