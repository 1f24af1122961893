package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"callseal/bench"
)

// errSuite is a name that is no SRTP suite's.
var errSuite = errors.New("unknown suite")

// errNoPEM is a file that holds none of what it should.
var errNoPEM = errors.New("there is no certificate in PEM in it")

// ends are the flags that say where the server is, and who calls and answers.
type ends struct {
	Target      string         `required:"" placeholder:"URI" help:"The server, as sips:HOST:PORT or sip:HOST:PORT;transport=udp."`
	CA          string         `name:"ca" placeholder:"FILE" help:"CA certificate (PEM) that the server's certificate must be signed by; default: the system's."`
	ServerName  string         `placeholder:"NAME" help:"Name that the server's certificate must be made out for; default: the target's host."`
	From        netip.AddrPort `placeholder:"ADDR:PORT" help:"Local address to call from; servers know their trunks by it. Port 0 is any."`
	Certificate string         `placeholder:"FILE" help:"The answerer's certificate (PEM), for tls."`
	Key         string         `placeholder:"FILE" help:"The answerer's key (PEM), for tls."`
	Number      string         `default:"1555" placeholder:"DIGITS" help:"What the dialled numbers begin with. Without an answerer: the number."`
	PlainCaller bool           `help:"The caller speaks plain RTP."`
	PlainAnswer bool           `help:"The answerer speaks plain RTP."`

	Suites       []string `placeholder:"NAME" help:"SRTP suites that the caller offers, the preferred one first; default: AES_CM_128_HMAC_SHA1_80."`
	AnswerSuites []string `placeholder:"NAME" help:"SRTP suites that the answerer takes, likewise."`
}

func (e ends) target() (bench.Target, error) { return bench.ParseTarget(e.Target) }

// caller is the callers' side, without what the run adds.
func (e ends) caller(target bench.Target) (bench.Config, error) {
	cfg := bench.Config{Proto: target.Proto, Local: e.From, ServerName: e.ServerName}
	var err error
	if cfg.Suites, err = suites("--suites", e.PlainCaller, e.Suites); err != nil {
		return cfg, err
	}
	if e.CA == "" {
		return cfg, nil
	}
	text, err := os.ReadFile(e.CA)
	if err != nil {
		return cfg, fmt.Errorf("--ca: %w", err)
	}
	cfg.Roots = x509.NewCertPool()
	if !cfg.Roots.AppendCertsFromPEM(text) {
		return cfg, fmt.Errorf("--ca %s: %w", e.CA, errNoPEM)
	}
	return cfg, nil
}

// answerer is the answerer's side at a URL, without what the run adds.
func (e ends) answerer(url string) (bench.Config, error) {
	return e.listening("--answer", url)
}

// listening is who listens at the URL that a flag gives.
func (e ends) listening(flag, url string) (bench.Config, error) {
	proto, addr, err := listenAddress(flag, url)
	if err != nil {
		return bench.Config{}, err
	}
	cfg := bench.Config{User: "answer", Proto: proto, Local: addr}
	if cfg.Suites, err = suites("--answer-suites", e.PlainAnswer, e.AnswerSuites); err != nil {
		return cfg, err
	}
	if proto != bench.TLS {
		return cfg, nil
	}
	if e.Certificate == "" || e.Key == "" {
		return cfg, fmt.Errorf("%s %s: %w: give its certificate and key", flag, url, bench.ErrIdentity)
	}
	pair, err := tls.LoadX509KeyPair(e.Certificate, e.Key)
	if err != nil {
		return cfg, fmt.Errorf("%s %s: certificate and key: %w", flag, url, err)
	}
	cfg.Certificate = &pair
	return cfg, nil
}

// suites are those of the names that a flag gives, or the one that every endpoint
// has.
func suites(flag string, plain bool, names []string) (all []bench.Suite, err error) {
	if plain {
		return nil, nil
	}
	for _, name := range names {
		suite, ok := bench.ParseSuite(name)
		if !ok {
			return nil, fmt.Errorf("%s: %w: %q; known are %s", flag, errSuite, name, strings.Join(bench.SuiteNames(), ", "))
		}
		all = append(all, suite)
	}
	if len(all) == 0 {
		all = []bench.Suite{bench.DefaultSuite}
	}
	return all, nil
}

// listenAddress reads tls://ADDR:PORT.
func listenAddress(flag, url string) (bench.Proto, netip.AddrPort, error) {
	scheme, hostport, ok := strings.Cut(url, "://")
	if !ok {
		return 0, netip.AddrPort{}, fmt.Errorf("%s %s: %w: write tls://ADDR:PORT", flag, url, bench.ErrTarget)
	}
	proto, err := bench.ParseProto(scheme)
	if err != nil {
		return 0, netip.AddrPort{}, fmt.Errorf("%s %s: %w", flag, url, err)
	}
	addr, err := netip.ParseAddrPort(hostport)
	if err != nil || addr.Addr().IsUnspecified() {
		return 0, netip.AddrPort{}, fmt.Errorf("%s %s: %w: give an address of this machine and a port", flag, url, bench.ErrTarget)
	}
	return proto, addr, nil
}
