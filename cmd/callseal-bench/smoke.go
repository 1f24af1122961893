package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"time"

	"callseal/bench"
)

// smokeCmd is `callseal-bench smoke`.
type smokeCmd struct {
	Target      string         `required:"" placeholder:"URI" help:"The server, as sips:HOST:PORT or sip:HOST:PORT;transport=udp."`
	CA          string         `name:"ca" placeholder:"FILE" help:"CA certificate (PEM) that the server's certificate must be signed by; default: the system's."`
	ServerName  string         `placeholder:"NAME" help:"Name that the server's certificate must be made out for; default: the target's host."`
	From        netip.AddrPort `placeholder:"ADDR:PORT" help:"Local address to call from; servers know their trunks by it."`
	Answer      string         `default:"tls://127.0.0.1:6061" placeholder:"URL" help:"Where the server finds the answerer: tls://ADDR:PORT, tcp:// or udp://; default: tls://127.0.0.1:6061."`
	Certificate string         `placeholder:"FILE" help:"The answerer's certificate (PEM), for tls."`
	Key         string         `placeholder:"FILE" help:"The answerer's key (PEM), for tls."`
	Calls       int            `default:"5" help:"How many calls."`
	Every       time.Duration  `default:"200ms" help:"Time between two calls."`
	Ring        time.Duration  `default:"500ms" help:"How long each call rings."`
	Duration    time.Duration  `default:"5s" help:"How long each call talks."`
	Number      string         `default:"1555" placeholder:"DIGITS" help:"What the dialled numbers begin with."`
	PlainCaller bool           `help:"The caller speaks plain RTP."`
	PlainAnswer bool           `help:"The answerer speaks plain RTP."`
	MaxLoss     float64        `default:"0" help:"Share of the packets that may be lost, 0 to 1."`
}

var errFaults = errors.New("the smoke test failed")

// Run places the calls and prints what was measured.
func (c smokeCmd) Run(out output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return c.run(ctx, out)
}

func (c smokeCmd) run(ctx context.Context, out output) error {
	target, err := bench.ParseTarget(c.Target)
	if err != nil {
		return err
	}
	ledger := bench.NewLedger()
	callerConfig, err := c.caller(target, ledger)
	if err != nil {
		return err
	}
	answererConfig, err := c.answerer(ledger)
	if err != nil {
		return err
	}
	plans := bench.Plans(c.Calls, bench.Share{}, c.Ring, c.Duration, c.Number)
	answerer, err := bench.NewAnswerer(answererConfig, bench.NewBook(plans).Find)
	if err != nil {
		return err
	}
	defer answerer.Close()
	caller, err := bench.NewCaller(ctx, callerConfig, target)
	if err != nil {
		return err
	}
	defer caller.Close()
	run := bench.Run{Caller: caller, Answerer: answerer, Ledger: ledger, Plans: plans, Every: c.Every}
	report := run.Do(ctx)
	for _, line := range report.Summary() {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	faults := report.Faults(bench.Demands{MaxLoss: c.MaxLoss, Sealed: [2]bool{
		target.Proto == bench.TLS && !c.PlainCaller,
		answererConfig.Proto == bench.TLS && !c.PlainAnswer,
	}})
	if len(faults) > 0 {
		return fmt.Errorf("%w: %s", errFaults, strings.Join(faults, "; "))
	}
	return nil
}

func (c smokeCmd) caller(target bench.Target, ledger *bench.Ledger) (bench.Config, error) {
	cfg := bench.Config{
		User: "smoke", Proto: target.Proto, Local: c.From, ServerName: c.ServerName,
		Suites: suites(c.PlainCaller), Ledger: ledger,
	}
	if c.CA == "" {
		return cfg, nil
	}
	text, err := os.ReadFile(c.CA)
	if err != nil {
		return cfg, err
	}
	cfg.Roots = x509.NewCertPool()
	if !cfg.Roots.AppendCertsFromPEM(text) {
		return cfg, fmt.Errorf("%s: %w: no certificate in PEM", c.CA, bench.ErrCertificate)
	}
	return cfg, nil
}

func (c smokeCmd) answerer(ledger *bench.Ledger) (bench.Config, error) {
	proto, addr, err := listenAddress(c.Answer)
	if err != nil {
		return bench.Config{}, err
	}
	cfg := bench.Config{User: "answer", Proto: proto, Local: addr, Suites: suites(c.PlainAnswer), Ledger: ledger}
	if proto != bench.TLS {
		return cfg, nil
	}
	if c.Certificate == "" || c.Key == "" {
		return cfg, fmt.Errorf("--answer %s: %w: give --certificate and --key", c.Answer, bench.ErrCertificate)
	}
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return cfg, fmt.Errorf("--certificate, --key: %w", err)
	}
	cfg.Certificate = &pair
	return cfg, nil
}

func suites(plain bool) []bench.Suite {
	if plain {
		return nil
	}
	return []bench.Suite{bench.DefaultSuite}
}

// listenAddress reads tls://ADDR:PORT.
func listenAddress(url string) (bench.Proto, netip.AddrPort, error) {
	scheme, hostport, ok := strings.Cut(url, "://")
	if !ok {
		return 0, netip.AddrPort{}, fmt.Errorf("--answer %s: %w: write tls://ADDR:PORT", url, bench.ErrTarget)
	}
	proto, err := bench.ParseProto(scheme)
	if err != nil {
		return 0, netip.AddrPort{}, fmt.Errorf("--answer %s: %w", url, err)
	}
	addr, err := netip.ParseAddrPort(hostport)
	if err != nil || addr.Addr().IsUnspecified() {
		return 0, netip.AddrPort{}, fmt.Errorf("--answer %s: %w: give an address of this machine and a port", url, bench.ErrTarget)
	}
	return proto, addr, nil
}
