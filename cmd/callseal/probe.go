package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"callseal/sdp"
	"callseal/signaling/locate"
	"callseal/signaling/probe"
	"callseal/signaling/register"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// probeCmd is `callseal probe`.
type probeCmd struct {
	Remote     string        `arg:"" placeholder:"TRUNK|HOST:PORT" help:"A dialer or carrier of the configuration, or an address: HOST:PORT is TLS; \"sip:HOST:PORT;transport=udp\" and the like are taken too."`
	Config     string        `placeholder:"FILE" help:"The configuration file that TRUNK stands in."`
	Call       string        `placeholder:"NUMBER" help:"Also call this number, to see SRTP agreed on and audio arrive. It must answer; its owner may charge for it."`
	From       string        `placeholder:"NUMBER" help:"The caller's number."`
	CA         string        `name:"ca" placeholder:"FILE" help:"For an address: the CA that its certificate must come from."`
	ServerName string        `placeholder:"NAME" help:"For an address: the name that its certificate must have."`
	Timeout    time.Duration `default:"60s" help:"For all steps together."`
	JSON       bool          `name:"json" help:"Print JSON instead of lines."`
}

var errProbe = errors.New("the remote cannot be used as it is")

// Run tries the way to a remote and fails at a fault.
func (c probeCmd) Run(out output) error {
	target, err := c.target()
	if err != nil {
		return err
	}
	target.Call, target.From, target.UserAgent = c.Call, c.From, userAgent
	if names, ok := target.Resolver.(*locate.Resolver); ok {
		defer names.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	rep, err := probe.Run(ctx, *target)
	if err != nil {
		return err
	}
	write := writeProbe
	if c.JSON {
		write = writeProbeJSON
	}
	if err := write(out, c.Remote, rep); err != nil {
		return err
	}
	if rep.Fault() != nil {
		return errProbe
	}
	return nil
}

// probeResolver finds hosts as calls do. It is new, and so remembers nothing.
func probeResolver(cfg dnsConfig) *locate.Resolver {
	return newResolver(func() dnsConfig { return cfg }, slog.New(slog.DiscardHandler), locate.NewMetrics(nil))
}

// target says what to probe: a trunk as it is configured, or an address.
func (c probeCmd) target() (*probe.Config, error) {
	var known []string
	if c.Config != "" {
		cfg, rep, _, err := loadConfig(c.Config)
		if err != nil {
			return nil, err
		}
		if !rep.ok() {
			return nil, rejectConfig(os.Stderr, c.Config, rep)
		}
		if t := cfg.Signaling.Table.ByName(c.Remote); t != nil {
			return c.trunk(cfg, t)
		}
		for _, t := range cfg.Signaling.Table.Trunks {
			known = append(known, t.Name())
		}
	}
	if !strings.ContainsAny(c.Remote, ":.") {
		if c.Config == "" {
			return nil, fmt.Errorf("%q is no address: write HOST:PORT, or give --config FILE, the configuration that names it", c.Remote)
		}
		return nil, fmt.Errorf("%s has no dialer or carrier %q: known are %s", c.Config, c.Remote, strings.Join(known, ", "))
	}
	return c.address()
}

// trunk probes a trunk exactly as calls reach it.
func (c probeCmd) trunk(cfg *Config, t *trunk.Trunk) (*probe.Config, error) {
	if c.CA != "" || c.ServerName != "" {
		return nil, fmt.Errorf("--ca and --server-name are for an address: %q is verified as the configuration says", c.Remote)
	}
	bind, show := t.Audio.Bind, t.Audio.Show
	if !bind.IsValid() {
		bind, show = cfg.Signaling.Media.V4, cfg.Signaling.Media.AdvertiseV4
	}
	target := t.Target
	if l := listenerFor(cfg, t.Role()); l != nil && !target.Source.IsValid() && !l.Address.Addr().IsUnspecified() {
		target.Source = netip.AddrPortFrom(l.Address.Addr(), 0) // as calls leave
	}
	var account *register.Account
	if t.Register != nil {
		a := t.Account(func() transport.Hop { return transport.Hop{Target: &target} }, userAgent)
		account = &a
	}
	return &probe.Config{
		Target: target, Credentials: t.Credentials, Register: account, Media: t.Media, Suites: t.Suites, Bind: bind, Show: show,
		Network: cfg.Signaling.Network, Resolver: probeResolver(cfg.DNS),
	}, nil
}

// address probes what no configuration names: SRTP is wanted where TLS is.
func (c probeCmd) address() (*probe.Config, error) {
	text := c.Remote
	if !strings.HasPrefix(text, "sip:") && !strings.HasPrefix(text, "sips:") {
		text = "sips:" + text
	}
	hop, f := parseURI(text)
	if f != nil {
		return nil, fmt.Errorf("%s: %s", f.what, f.fix)
	}
	l := loader{decoder: &decoder{report: &report{}}, files: dirFiles("."), now: time.Now()}
	t := &probe.Config{
		Target: transport.Target{Trunk: c.Remote, Role: transport.Carrier, Proto: hop.proto, Host: hop.host, Port: hop.port},
		Media:  sdp.Required, Suites: trunkSuites(), Resolver: probeResolver(dnsConfig{}),
	}
	if hop.proto != transport.TLS {
		t.Media = sdp.Off
	} else {
		t.Target.TLS = &transport.ClientTLS{Roots: l.roots("--ca", c.CA), ServerName: c.ServerName}
	}
	if !l.report.ok() {
		return nil, rejectConfig(os.Stderr, c.Remote, l.report)
	}
	return t, nil
}

// writeProbe prints a line for each step, then the first fault.
func writeProbe(out io.Writer, remote string, r *probe.Report) error {
	var b strings.Builder
	var left []string
	for _, f := range r.Findings {
		if f.Outcome == probe.Skipped && r.Fault() != nil {
			left = append(left, f.Step.String())
			continue
		}
		fmt.Fprintf(&b, "%-18s %-7s %s.\n", f.Step, f.Outcome, f.Says)
		if f.Outcome == probe.Warning && f.Advice != "" {
			fmt.Fprintf(&b, "%-18s %-7s %s\n", "", "", f.Advice)
		}
	}
	if len(left) > 0 {
		fmt.Fprintf(&b, "%-18s %-7s %s\n", "", "left", strings.Join(left, ", "))
	}
	if f := r.Fault(); f != nil {
		fmt.Fprintf(&b, "\n%s fails at %s: %s.\n", remote, f.Step, f.Says)
		if f.Advice != "" {
			fmt.Fprintf(&b, "%s\n", f.Advice)
		}
	} else {
		fmt.Fprintf(&b, "\n%s can be used.\n", remote)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// probeStep is one finding in JSON.
type probeStep struct {
	Step    string `json:"step"`
	Outcome string `json:"outcome"`
	Says    string `json:"says"`
	Cause   string `json:"cause,omitempty"`
	Advice  string `json:"advice,omitempty"`
}

// writeProbeJSON prints the same as one object.
func writeProbeJSON(out io.Writer, remote string, r *probe.Report) error {
	steps := make([]probeStep, 0, len(r.Findings))
	for _, f := range r.Findings {
		steps = append(steps, probeStep{f.Step.String(), f.Outcome.String(), f.Says, f.Cause, f.Advice})
	}
	var first *probeStep
	if f := r.Fault(); f != nil {
		first = &probeStep{f.Step.String(), f.Outcome.String(), f.Says, f.Cause, f.Advice}
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Remote string      `json:"remote"`
		Usable bool        `json:"usable"`
		Fault  *probeStep  `json:"fault"`
		Steps  []probeStep `json:"steps"`
	}{remote, first == nil, first, steps})
}
