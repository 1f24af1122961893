package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"

	"callseal/bench"
	"callseal/cmd/callseal/web"
	"callseal/media"
	"callseal/sdp"
	"callseal/signaling"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// The names that the demo's certificates are made out for.
const (
	demoSBCName     = "callseal.demo"
	demoDialerName  = "dialer.demo"
	demoCarrierName = "carrier.demo"
)

// cast is who takes part: callseal's certificate and the two neighbours, each
// at a loopback address of its own where the system has more than one.
type cast struct {
	plainCarrier    bool
	ca              *bench.Authority
	sbc             *tls.Certificate
	at              netip.Addr // of callseal
	dialer, carrier bench.Config
	ledger          *bench.Ledger
}

func newCast(plainCarrier bool) (*cast, error) {
	ca, err := bench.NewAuthority("callseal demo CA")
	if err != nil {
		return nil, err
	}
	at := [3]netip.Addr{loopbackOr1(1), loopbackOr1(2), loopbackOr1(3)}
	var certs [3]*tls.Certificate
	for i, name := range []string{demoSBCName, demoDialerName, demoCarrierName} {
		if certs[i], err = ca.Issue(name, at[i]); err != nil {
			return nil, err
		}
	}
	c := &cast{plainCarrier: plainCarrier, ca: ca, sbc: certs[0], at: at[0], ledger: bench.NewLedger()}
	c.dialer = bench.Config{
		User: "dialer", Proto: bench.TLS, Local: netip.AddrPortFrom(at[1], 0), Suites: []bench.Suite{bench.DefaultSuite},
		Certificate: certs[1], Roots: ca.Pool(), ServerName: demoSBCName, Ledger: c.ledger,
	}
	c.carrier = bench.Config{
		User: "carrier", Proto: bench.TLS, Local: netip.AddrPortFrom(at[2], 0), Suites: []bench.Suite{bench.DefaultSuite},
		Certificate: certs[2], Roots: ca.Pool(), Ledger: c.ledger,
	}
	if plainCarrier {
		c.carrier.Proto, c.carrier.Suites = bench.UDP, nil
	}
	return c, nil
}

// loopbackOr1 is 127.0.0.n, or 127.0.0.1 where only that one is configured
// (macOS).
func loopbackOr1(n byte) netip.Addr {
	addr := netip.AddrFrom4([4]byte{127, 0, 0, n})
	l, err := net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	_ = l.Close()
	return addr
}

// config is what the configuration file of such a house would say, with ports
// that the kernel chooses.
func (c *cast) config(carrier netip.AddrPort) *Config {
	anyPort := netip.AddrPortFrom(c.at, 0)
	out := transport.Listener{Name: "carriers", Role: transport.Carrier, Proto: transport.TLS, Address: anyPort, TLS: c.serverTLS()}
	telco := &trunk.Trunk{
		Target: transport.Target{
			Trunk: "telco", Role: transport.Carrier, Proto: transport.TLS, Host: carrier.Addr().String(), Port: carrier.Port(),
			TLS: &transport.ClientTLS{Roots: c.ca.Pool(), ServerName: demoCarrierName},
		},
		Sources: []netip.Prefix{hostPrefix(carrier.Addr())},
		Media:   sdp.Required, Suites: trunkSuites(),
	}
	var hops []plainHop
	if c.plainCarrier {
		out.Proto, out.TLS = transport.UDP, nil
		telco.Target.Proto, telco.Target.TLS = transport.UDP, nil
		telco.Media = sdp.Off
		telco.Plaintext = &trunk.Plaintext{AcceptedBy: "demo", Reason: "--plain-carrier"}
		hops = []plainHop{{Name: "telco", Role: transport.Carrier, Signaling: transport.UDP, Media: sdp.Off,
			AcceptedBy: "demo", Reason: "--plain-carrier"}}
	}
	dialer := &trunk.Trunk{
		Target: transport.Target{
			Trunk: "dialer1", Role: transport.Dialer, Proto: transport.TLS, Host: c.dialer.Local.Addr().String(),
			TLS: &transport.ClientTLS{Roots: c.ca.Pool(), ServerName: demoDialerName},
		},
		Sources: []netip.Prefix{hostPrefix(c.dialer.Local.Addr())},
		Media:   sdp.Required, Suites: trunkSuites(),
	}
	return &Config{
		Signaling: signaling.Config{
			Listeners: []signaling.Listener{
				{Listener: transport.Listener{Name: "dialers", Role: transport.Dialer, Proto: transport.TLS, Address: anyPort, TLS: c.serverTLS()}},
				{Listener: out},
			},
			Table: trunk.Table{
				Trunks: []*trunk.Trunk{dialer, telco},
				Routes: []trunk.Route{{From: transport.Dialer, To: trunk.To(telco)}, {From: transport.Carrier, To: trunk.To(dialer)}},
			},
			Media:     signaling.MediaAddresses{V4: c.at, AdvertiseV4: c.at},
			UserAgent: userAgent,
		},
		Media:  media.Config{Ports: media.PortRange{Min: 20000, Max: 29999}, Rest: defaultRest},
		Admin:  anyPort,
		Access: web.NewAccess("", nil),
		Hops:   hops,
	}
}

func (c *cast) serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{*c.sbc}, MinVersion: tls.VersionTLS12}
}

func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// demoServer is a callseal that runs in this process.
type demoServer struct {
	*house
	complaints *tail
	failure    error // why it stopped by itself; set before ended is closed
	ended      chan struct{}
	end        context.CancelFunc
}

// err is why the server stopped by itself, or nil. Call it after stop.
func (d *demoServer) err() error { return d.failure }

// stop ends it and waits. It may be called twice.
func (d *demoServer) stop() {
	d.end()
	<-d.ended
}

// target is where the dialer calls.
func (d *demoServer) target() bench.Target {
	at := d.server.Addr("dialers")
	return bench.Target{Proto: bench.TLS, Host: at.Addr().String(), Port: at.Port()}
}

// startDemoServer runs the same parts as serve does, until stop. The context
// it returns ends with ctx, or when callseal stops by itself.
func startDemoServer(ctx context.Context, cfg *Config) (context.Context, *demoServer, error) {
	d := &demoServer{complaints: &tail{}, ended: make(chan struct{})}
	log := slog.New(slog.NewTextHandler(d.complaints, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	if d.house, err = assemble(cfg, log); err != nil {
		return nil, nil, err
	}
	watched, fail := context.WithCancel(ctx)
	running, end := context.WithCancel(context.WithoutCancel(ctx)) // the calls end before the server does
	d.end = end
	ready := make(chan struct{})
	go func() { // waited for by stop
		defer close(d.ended)
		defer fail()
		d.failure = d.run(running, func() { close(ready) })
	}()
	select {
	case <-ready:
		return watched, d, nil
	case <-d.ended:
		return nil, nil, d.err()
	}
}

// tail keeps the last lines that are written to it. The demo shows callseal's
// own complaints only when something went wrong.
type tail struct {
	mu   sync.Mutex
	last []string
}

const tailLines = 12

// Write takes whole lines, as slog writes them.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, "callseal says: "+strings.TrimSpace(string(b)))
	t.last = t.last[max(0, len(t.last)-tailLines):]
	return len(b), nil
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.last...)
}
