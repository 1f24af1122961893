// Package probe tries the way to a remote step by step, says what each step
// showed, and which side is to blame for the first that fails. Its words for
// faults are those of the log and the metrics of a running callseal.
package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/sdp"
	"callseal/signaling/auth"
	"callseal/signaling/register"
	"callseal/signaling/transport"
)

// Config is what New needs: Target and UserAgent; all else may be left out.
type Config struct {
	Target    transport.Target
	UserAgent string
	// Credentials answer challenges. Register is the account whose bindings the
	// registrar is asked for; nil asks nothing. Nothing is registered, and no
	// binding changed.
	Credentials auth.Credentials
	Register    *register.Account
	// Call is a number that is called, to see SRTP agreed on and audio arrive; ""
	// calls nobody.
	Call   string
	From   string // the caller's number, "callseal" without one
	Media  sdp.Mode
	Suites []sdp.Suite
	// Bind is the address of our audio, Show the one that SDP shows. The zero
	// Addr is that of the signaling.
	Bind, Show netip.Addr
	// Ring bounds the wait for the call's answer, Listen that for its audio.
	Ring, Listen time.Duration

	Network  transport.Network
	Resolver transport.Resolver
}

// The times that Config leaves open.
const (
	defaultRing   = 30 * time.Second
	defaultListen = 3 * time.Second
)

// prober is one probe.
type prober struct {
	Config
	endpoint *transport.Endpoint
	client   *auth.Client
	report   Report
	host     string // our own, as the remote sees it; known once a request was sent
}

// Run probes a remote. It fails only where nothing could be tried; what is wrong
// on the way is in the report. When ctx ends, what was under way is a fault.
func Run(ctx context.Context, c Config) (*Report, error) {
	if c.Ring == 0 {
		c.Ring = defaultRing
	}
	if c.Listen == 0 {
		c.Listen = defaultListen
	}
	p := &prober{Config: c, client: auth.NewClient(c.Credentials)}
	var err error
	p.endpoint, err = transport.New(transport.Config{
		Handler: deaf{}, Log: slog.New(slog.DiscardHandler), UserAgent: c.UserAgent, Network: c.Network, Resolver: c.Resolver,
	})
	if err != nil {
		return nil, err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- p.endpoint.Run(serving) }() // waited for below
	<-p.endpoint.Ready()
	p.try(ctx)
	stop()
	return &p.report, <-ended
}

// try takes the steps; after a fault that blocks the rest it goes no further.
func (p *prober) try(ctx context.Context) {
	if !p.way(p.endpoint.Inspect(ctx, &p.Target)) {
		p.report.skip("not tried after the fault above")
		return
	}
	if !p.options(ctx) {
		p.report.skip("not tried after the fault above")
		return
	}
	p.registration(ctx)
	p.call(ctx)
}

// way reports how far the connection came. It tells whether a request can
// follow.
func (p *prober) way(i transport.Inspection) bool {
	r, t := &p.report, &p.Target
	if i.Resolve != nil {
		p.failed(Resolve, i.Resolve)
		return false
	}
	if _, err := netip.ParseAddr(t.Host); err == nil {
		r.add(Resolve, Skipped, "%s is an address", t.Host)
	} else {
		r.add(Resolve, Good, "%s is %s (%s)", t.Host, addresses(i.Addresses), spent(i.Resolved))
	}
	switch {
	case !t.Proto.Stream():
		r.add(Connect, Skipped, "UDP knows no connection")
	case i.Connect != nil:
		p.failed(Connect, i.Connect)
		return false
	default:
		r.add(Connect, Good, "%s takes the connection (%s)", i.Remote, spent(i.Connected))
	}
	if t.Proto != transport.TLS {
		for _, s := range []Step{Handshake, Validity, Chain, Name, ClientCertificate} {
			r.add(s, Skipped, "%s is not encrypted", strings.ToUpper(t.Proto.String()))
		}
		return true
	}
	if i.State == nil {
		p.failed(Handshake, i.Handshake)
		return false
	}
	return p.certificate(i)
}

// certificate reports what TLS showed.
func (p *prober) certificate(i transport.Inspection) bool {
	r := &p.report
	r.add(Handshake, Good, "%s with %s (%s)", tls.VersionName(i.State.Version), tls.CipherSuiteName(i.State.CipherSuite), spent(i.Shaken))
	sound := i.Validity == nil && i.Chain == nil && i.Name == nil
	if len(i.State.PeerCertificates) == 0 {
		p.failed(Chain, i.Chain)
		return false
	}
	leaf := i.State.PeerCertificates[0]
	left := time.Until(leaf.NotAfter)
	switch {
	case i.Validity != nil:
		p.failed(Validity, i.Validity)
	case left < transport.ExpiresSoon:
		r.add(Validity, Warning, "its certificate ends soon, on %s", leaf.NotAfter.UTC().Format("2006-01-02 15:04 UTC")).
			Advice = "Their side: renew the certificate in time."
	default:
		r.add(Validity, Good, "its certificate is valid until %s", leaf.NotAfter.Format(time.DateOnly))
	}
	if i.Chain != nil {
		p.failed(Chain, i.Chain)
	} else {
		r.add(Chain, Good, "its certificate was made by %s, which we trust, and is for servers", quote(leaf.Issuer.CommonName))
	}
	if i.Name != nil {
		p.failed(Name, i.Name)
	} else {
		r.add(Name, Good, "its certificate is for %s", p.serverName())
	}
	switch {
	case i.Handshake != nil:
		p.failed(ClientCertificate, i.Handshake)
		return false
	case i.Asked && i.Shown:
		r.add(ClientCertificate, Good, "it asks for our certificate and takes it")
	case i.Asked:
		r.add(ClientCertificate, Warning, "it asks for our certificate, has none of us, and lets us in all the same").
			Advice = "Our side: set tls.certificate and tls.key of it if its owner wants that."
	default:
		r.add(ClientCertificate, Good, "it does not ask for our certificate")
	}
	return sound
}

func (p *prober) serverName() string {
	if t := p.Target.TLS; t != nil && t.ServerName != "" {
		return t.ServerName
	}
	return p.Target.Host
}

// failed reports a fault by the transport's own words.
func (p *prober) failed(s Step, f *transport.Failure) {
	says := f.Phrase()
	if f.Err != nil {
		says += ": " + f.Err.Error()
	}
	found := p.report.add(s, Fault, "%s", says)
	found.Cause, found.Advice = f.Cause.String(), f.Advice()
}

// deaf takes nothing: a probe has no listeners, and asks for no requests.
type deaf struct{}

func (deaf) Request(tx *transport.ServerTx) {
	_ = tx.Respond(sip.NewResponseFromRequest(tx.Request(), 481, "Call/Transaction Does Not Exist", nil)) // the remote repeats
}
func (deaf) Ack(*sip.Request, *transport.Flow)        {}
func (deaf) Cancel(*transport.ServerTx, *sip.Request) {}
func (deaf) Closed(*transport.Flow, error)            {}

func addresses(all []netip.AddrPort) string {
	var out []string
	for _, a := range all {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

// spent is a time as people read it.
func spent(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func quote(s string) string { return fmt.Sprintf("%q", s) }
