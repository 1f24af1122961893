package ladder

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"callseal/media"
	"callseal/sdp"
	"callseal/signaling"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

// player runs one scenario in one bubble.
type player struct {
	t        *testing.T
	net      *internet
	studio   *studio
	server   *signaling.Server
	registry *prometheus.Registry
	started  time.Time
	agents   map[string]*agent // A, B and C
	machines map[string]*agent // these, and other machines of theirs
	keys     map[string]string // of ours, by the Call-ID of who was told
	sealed   map[string]bool   // agents whose trunk has SRTP
	readers  sync.WaitGroup
	wake     chan struct{} // capacity 1: something came
	setting  *setting
	stop     func() // ends the server and waits for it
	stopped  bool
	report   report
	log      strings.Builder

	mu sync.Mutex // guards what agents' readers touch, and log
}

// setting is what "set" lines change before the server starts.
type setting struct {
	cfg    *signaling.Config
	stream bool
	player *player
	others []*trunk.Trunk // carriers that "set carriers=3" adds
}

// addresses of the machines.
var machines = map[string]netip.AddrPort{
	"A": netip.MustParseAddrPort("192.0.2.1:5060"), "B": netip.MustParseAddrPort("192.0.2.2:5060"), "C": netip.MustParseAddrPort("192.0.2.3:5060"),
	"A2": netip.MustParseAddrPort("192.0.2.11:5060"), "B2": netip.MustParseAddrPort("192.0.2.12:5060"), "B3": netip.MustParseAddrPort("192.0.2.13:5060"), "D": netip.MustParseAddrPort("192.0.2.66:5060"),
}

// listeners of the server.
var listeners = map[string]netip.AddrPort{
	"A": netip.AddrPortFrom(serverAddr, 5060), "B": netip.AddrPortFrom(serverAddr, 5070), "C": netip.AddrPortFrom(serverAddr, 5080),
}

// newPlayer starts the server that the script's set lines describe.
func newPlayer(t *testing.T, steps []*step) *player {
	p := &player{t: t, net: newInternet(), studio: &studio{audio: map[string]bool{}, lastAudio: map[string]time.Time{}}, registry: prometheus.NewRegistry(), agents: map[string]*agent{}, machines: map[string]*agent{},
		keys: map[string]string{}, sealed: map[string]bool{}, wake: make(chan struct{}, 1), started: time.Now()}
	p.studio.note = func(s string) { p.report.see(p.now(), "       "+s) }
	cfg := &signaling.Config{UserAgent: "callseal", Realm: "callseal", Media: signaling.MediaAddresses{V4: netip.MustParseAddr("192.0.2.8")}, Network: p.net, Resolver: p.net}
	single := func(name string) []netip.Prefix {
		return []netip.Prefix{netip.PrefixFrom(machines[name].Addr(), 32)}
	}
	trunkAt := func(name string, role transport.Role, agent string) *trunk.Trunk {
		return &trunk.Trunk{Target: transport.Target{Trunk: name, Role: role, Proto: transport.UDP, Host: machines[agent].Addr().String(),
			Port: machines[agent].Port()}, Sources: single(agent), Media: sdp.Off, Suites: sdp.Suites()}
	}
	dialer, carrier := trunkAt("dialer1", transport.Dialer, "A"), trunkAt("telco", transport.Carrier, "B")
	cfg.Table = trunk.Table{Trunks: []*trunk.Trunk{dialer, carrier}, Routes: []trunk.Route{
		{From: transport.Dialer, To: trunk.To(carrier)}, {From: transport.Carrier, To: trunk.To(dialer)}, {From: transport.Phone, To: trunk.To(dialer)}}}
	for _, l := range []struct {
		name string
		role transport.Role
	}{{"A", transport.Dialer}, {"B", transport.Carrier}, {"C", transport.Phone}} {
		cfg.Listeners = append(cfg.Listeners, signaling.Listener{Listener: transport.Listener{Name: l.role.String() + "s", Role: l.role,
			Proto: transport.UDP, Address: listeners[l.name]}, Suites: sdp.Suites(), Media: sdp.Off})
	}
	cfg.Listeners[2].Sources = single("C")
	cfg.Listeners[2].Transfer, dialer.Transfer = trunk.Relay, trunk.Execute // as the configuration has it
	p.setting = &setting{cfg: cfg, player: p, others: []*trunk.Trunk{trunkAt("second", transport.Carrier, "B2"), trunkAt("third", transport.Carrier, "B3")}}
	set := p.setting
	for _, s := range steps {
		if s.verb == "set" {
			if err := set.apply(s.args); err != nil {
				t.Fatalf("line %d: %s: %v", s.line, s.text, err)
			}
		}
	}
	for name, at := range machines {
		a := p.newAgent(name, at, listeners[name[:1]], set.stream)
		p.machines[name] = a
		if len(name) == 1 && name != "D" {
			p.agents[name] = a
		}
	}
	p.machines["A2"].owner, p.machines["D"].owner = p.agents["A"], p.agents["B"]
	for _, t := range set.others {
		name := "B2"
		if t.Name() == "third" {
			name = "B3"
		}
		p.machines[name].owner = p.agents["B"]
		if slices.Contains(cfg.Table.Trunks, t) { // a carrier of its own
			p.machines[name].owner, p.agents[name] = p.machines[name], p.machines[name]
		}
	}
	p.start(cfg)
	return p
}

func (p *player) start(cfg *signaling.Config) {
	log := slog.New(slog.NewTextHandler(lockedWriter{&p.mu, &p.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if p.server, err = signaling.New(*cfg, p.studio, log, signaling.NewMetrics(p.registry)); err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.server.Run(ctx) }) // its error is a listener's, and none fails in memory
	<-p.server.Ready()
	p.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// close ends everything in the bubble.
func (p *player) close() {
	p.stop()
	for _, a := range p.machines {
		a.close()
	}
	p.readers.Wait()
}

func (p *player) now() time.Duration { return time.Since(p.started) }

// play runs the steps; the first that goes wrong ends it.
func (p *player) play(steps []*step) error {
	for _, s := range steps {
		p.report.want(s)
		var err error
		switch s.verb {
		case "send":
			err = p.send(s)
		case "expect":
			err = p.expect(s)
		case "set":
		default:
			err = verbs[s.verb](p, s)
		}
		synctest.Wait()
		if err != nil {
			return fmt.Errorf("line %d: %w", s.line, err)
		}
	}
	return p.quiet()
}

func (p *player) send(s *step) error {
	a := p.agents[s.agent]
	if a == nil {
		return fmt.Errorf("no agent %s", s.agent)
	}
	n := len(a.sent)
	if err := a.send(s); err != nil {
		return err
	}
	if len(a.sent) > n {
		p.report.see(p.now(), show(a.name, "->", a.sent[len(a.sent)-1].message)+lost(s))
	} else {
		p.report.see(p.now(), fmt.Sprintf("%s -> %s again%s", a.name, s.what, lost(s)))
	}
	return nil
}

func lost(s *step) string {
	if s.is("lost") {
		return " lost"
	}
	return ""
}

func (p *player) expect(s *step) error {
	a := p.agents[s.agent]
	if a == nil {
		return fmt.Errorf("no agent %s", s.agent)
	}
	synctest.Wait()
	began := p.now()
	least, most, err := span("0s")
	if v := s.words["in"]; v != "" {
		if err := p.quiet(); err != nil {
			return err
		}
		least, most, err = span(v)
	}
	if err != nil {
		return err
	}
	r := a.await(s, most)
	if r == nil {
		return fmt.Errorf("%s got nothing", s.agent)
	}
	var before *look
	if t := a.byCallID(r); t != nil {
		before = t.heard
	}
	faults := a.take(r, s)
	p.report.see(r.at, show(a.name, "<-", r.message))
	faults = append(faults, a.meets(r, s, before)...)
	if took := r.at - began; took < least {
		faults = append(faults, fmt.Sprintf("it came after %v, not %v", took, least))
	}
	if len(faults) > 0 {
		p.report.message = r.message
		return fmt.Errorf("%s", strings.Join(faults, "; "))
	}
	return nil
}

func (a *agent) byCallID(r *received) *talk {
	for _, t := range a.calls {
		if t.callID == r.get("Call-ID") {
			return t
		}
	}
	return nil
}

// await waits for the next message, but for a 100 that nobody wants.
func (a *agent) await(s *step, most time.Duration) *received {
	timeout := time.NewTimer(most)
	defer timeout.Stop()
	for {
		for r := a.next(); r != nil; r = a.next() {
			if r.code() != 100 || s.what == "100" {
				return r
			}
			a.take(r, &step{words: map[string]string{}}) // a 100 has nothing to be wrong
		}
		if most == 0 {
			return nil
		}
		select {
		case <-a.player.wake:
		case <-timeout.C:
			synctest.Wait()
			most = 0
		}
	}
}

// names are those of the agents, in order.
func (p *player) names() []string { return slices.Sorted(maps.Keys(p.agents)) }

// quiet fails when something came that the script has not listed.
func (p *player) quiet() error {
	synctest.Wait()
	var faults []string
	for _, name := range p.names() {
		a := p.agents[name]
		for r := a.next(); r != nil; r = a.next() {
			if r.code() == 100 {
				continue
			}
			p.report.see(r.at, show(name, "<-", r.message))
			faults = append(faults, fmt.Sprintf("%s got %s, which is not in the script", name, r.kind()))
			p.report.message = r.message
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("%s", strings.Join(faults, "; "))
	}
	return nil
}

// wait lets time pass in which nothing may come before the end.
func (p *player) wait(d time.Duration) error {
	if err := p.quiet(); err != nil {
		return err
	}
	end := time.NewTimer(d)
	defer end.Stop()
	until := p.now() + d
	for {
		select {
		case <-end.C:
			synctest.Wait()
			return nil
		case <-p.wake:
			synctest.Wait()
			if p.now() < until {
				if err := p.quiet(); err != nil {
					return err
				}
			}
		}
	}
}

// fill puts what is only known at run time into a header's value.
func (p *player) fill(a *agent, value string) (string, error) {
	pairs := []string{"{server}", a.server.String()}
	for name, at := range machines {
		pairs = append(pairs, "{"+name+"}", at.String())
	}
	for _, r := range a.got {
		if v := r.get("Contact"); r.method() == "REGISTER" && v != "" && v != "*" { // by which it reaches a phone
			pairs = append([]string{"{contact}", "<" + inside(v) + ">", "{phone}", inside(v)}, pairs...)
		}
		if v := r.get("RSeq"); v != "" {
			pairs = append([]string{"{rack}", v + " " + r.get("CSeq")}, pairs...)
		}
	}
	for n, t := range a.calls {
		local, remote := t.tag, ""
		if d := t.last; d != nil {
			local, remote = d.local, d.remote
		}
		pairs = append(pairs, fmt.Sprintf("{callid:%d}", n), t.callID, fmt.Sprintf("{localtag:%d}", n), local, fmt.Sprintf("{remotetag:%d}", n), remote)
		if t.last != nil {
			pairs = append(pairs, fmt.Sprintf("{target:%d}", n), t.last.target)
		}
	}
	return strings.NewReplacer(pairs...).Replace(value), nil
}

// failMedia are the faults that a relay can have.
var failMedia = map[string]error{"ports": media.ErrNoPorts, "descriptors": media.ErrNoDescriptors}
