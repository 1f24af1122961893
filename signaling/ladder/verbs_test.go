package ladder

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"callseal/media"
	"callseal/sdp"
	"callseal/signaling"
	"callseal/signaling/auth"
	"callseal/signaling/register"
	"callseal/signaling/transport"
	"callseal/signaling/trunk"
)

var errUsage = errors.New("not understood")

// verbs are the lines of a script that are no messages.
var verbs = map[string]func(*player, *step) error{}

func init() {
	verbs["wait"] = func(p *player, s *step) error {
		d, err := time.ParseDuration(s.args[0])
		if err != nil {
			return err
		}
		return p.wait(d)
	}
	// media A live plain: what the last session's side was set to last. "media closed", "media none": every session is, there was none.
	verbs["media"] = (*player).checkMedia
	// cut B: every connection of B's machine is reset.
	verbs["cut"] = func(p *player, s *step) error {
		a := p.machines[s.args[0]]
		if a == nil {
			return errUsage
		}
		p.net.cut(a.addr.Addr())
		for _, m := range a.sent { // no answer can come
			m.cut = m.cut || m.code() == 0 && len(m.finals) == 0
		}
		return nil
	}
	// refuse B, stall B, admit B: what becomes of new connections to B.
	verbs["refuse"] = func(p *player, s *step) error { p.gate(s.args[0], true, false); return nil }
	verbs["stall"] = func(p *player, s *step) error { p.gate(s.args[0], false, true); return nil }
	verbs["admit"] = func(p *player, s *step) error { p.gate(s.args[0], false, false); return nil }
	// relay full: the next call gets no ports.
	verbs["relay"] = func(p *player, s *step) error {
		fault, ok := failMedia[s.args[0]]
		if !ok {
			return errUsage
		}
		p.studio.mu.Lock()
		defer p.studio.mu.Unlock()
		p.studio.fault = fault
		return nil
	}
	// audio A on, audio A off: packets come, or no longer.
	verbs["audio"] = func(p *player, s *step) error {
		if len(s.args) < 2 {
			return errUsage
		}
		p.studio.mu.Lock()
		defer p.studio.mu.Unlock()
		if p.studio.audio[s.args[0]] = s.args[1] == "on"; !p.studio.audio[s.args[0]] {
			p.studio.lastAudio[s.args[0]] = time.Now()
		}
		return nil
	}
	// event silent A 30s: the relay tells something of the last session's side; both: of the other one as well.
	verbs["event"] = (*player).tellEvent
	// calls 1: how many the server has.
	verbs["calls"] = func(p *player, s *step) error {
		if n := p.server.Calls(); strconv.Itoa(n) != s.args[0] {
			return fmt.Errorf("%d calls", n)
		}
		return nil
	}
	// stop: the server is told to end; it hangs up first.
	verbs["stop"] = func(p *player, _ *step) error {
		p.stopped = true
		p.readers.Go(p.stop)
		return nil
	}
	// reload b.health=10s: the server works by another configuration.
	verbs["reload"] = (*player).reload
	// drain: no new calls are taken.
	verbs["drain"] = func(p *player, _ *step) error {
		over, cancel := context.WithCancel(context.Background())
		cancel() // it does not wait for the calls
		if err := p.server.Drain(over); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
	// logged words: the server's log has them. unlogged: it has not.
	verbs["logged"] = func(p *player, s *step) error { return p.logged(strings.Join(s.args, " "), true) }
	verbs["unlogged"] = func(p *player, s *step) error { return p.logged(strings.Join(s.args, " "), false) }
	// registered waiting overloaded 503: state and last outcome of the registration, and what is wrong.
	verbs["registered"] = func(p *player, s *step) error {
		all := p.server.Registrations()
		if len(all) != 1 {
			return fmt.Errorf("%d registrations", len(all))
		}
		got := fmt.Sprintf("%s %s %s", all[0].State, all[0].Outcome, all[0].Phrase)
		if want := strings.Join(s.args, " "); !strings.HasPrefix(got+" ", want+" ") {
			return fmt.Errorf("%s, not %s", got, want)
		}
		return nil
	}
	// count 1 callseal_byes_unanswered_total role=carrier: a counter's sum.
	verbs["count"] = (*player).checkCount
}

// reload is that verb.
func (p *player) reload(s *step) error {
	cfg := *p.setting.cfg
	cfg.Table = trunk.Table{Routes: slices.Clone(cfg.Table.Routes)}
	other := make(map[*trunk.Trunk]*trunk.Trunk)
	for _, t := range p.setting.cfg.Table.Trunks {
		copied := *t
		other[t] = &copied
		cfg.Table.Trunks = append(cfg.Table.Trunks, &copied)
	}
	for i, r := range cfg.Table.Routes {
		cfg.Table.Routes[i].To = slices.Clone(r.To)
		for j, d := range r.To {
			cfg.Table.Routes[i].To[j].Trunk = other[d.Trunk]
		}
	}
	p.setting.cfg = &cfg
	if err := p.setting.apply(s.args); err != nil {
		return err
	}
	return p.server.Reload(cfg)
}

func (p *player) gate(name string, refuse, stall bool) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	at := machines[name].Addr()
	p.net.refusing[at], p.net.stalling[at] = refuse, stall
	p.machines[name].away = p.machines[name].away || refuse || stall
}

func (p *player) logged(text string, want bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.Contains(p.log.String(), text) != want {
		return fmt.Errorf("in the log: %v", !want)
	}
	return nil
}

func (p *player) checkMedia(s *step) error {
	p.studio.mu.Lock()
	defer p.studio.mu.Unlock()
	sessions := p.studio.sessions
	switch s.args[0] {
	case "none":
		if len(sessions) > 0 {
			return fmt.Errorf("%d sessions were opened", len(sessions))
		}
		return nil
	case "closed":
		for _, n := range sessions {
			if n.closed == 0 {
				return fmt.Errorf("session %d is open", n.number)
			}
		}
		return nil
	}
	if len(sessions) == 0 {
		return errors.New("there is no session")
	}
	last := sessions[len(sessions)-1]
	d := &last.sides[0]
	if s.args[0] == "B" {
		d = &last.sides[1]
	}
	has := " " + d.String() + " "
	for _, word := range s.args[1:] {
		absent, no := strings.CutPrefix(word, "!")
		switch {
		case word == "unset":
			if d.set > 0 {
				return fmt.Errorf("it is set: %s", d)
			}
		case no == strings.Contains(has, " "+absent+" "):
			return fmt.Errorf("it is %s, want %s", d, word)
		}
	}
	if last.closed > 0 {
		return errors.New("the session is closed")
	}
	return nil
}

var eventKinds = []media.EventKind{media.EventFirstAudio, media.EventOneWay, media.EventSilent, media.EventLifetime, media.EventOutlived}

func (p *player) tellEvent(s *step) error {
	e := media.Event{Side: media.A}
	if len(s.args) < 2 {
		return errUsage
	}
	if s.args[1] == "B" {
		e.Side = media.B
	}
	found := slices.IndexFunc(eventKinds, func(k media.EventKind) bool { return k.String() == s.args[0] })
	if found < 0 {
		return errUsage
	}
	e.Kind = eventKinds[found]
	if len(s.args) > 2 {
		var err error
		if e.After, err = time.ParseDuration(s.args[2]); err != nil {
			return err
		}
	}
	e.Both = len(s.args) > 3 && s.args[3] == "both"
	p.studio.mu.Lock()
	sessions := p.studio.sessions
	var tell func(media.Event)
	if len(sessions) > 0 && sessions[len(sessions)-1].closed == 0 {
		tell = sessions[len(sessions)-1].tell
	}
	p.studio.mu.Unlock()
	if tell == nil {
		return errors.New("nobody listens to a session")
	}
	tell(e)
	return nil
}

func (p *player) checkCount(s *step) error {
	want, err := strconv.ParseFloat(s.args[0], 64)
	if err != nil {
		return err
	}
	if got := p.count(s.args[1], s.args[2:]...); got != want {
		return fmt.Errorf("%s is %v", s.args[1], got)
	}
	return nil
}

// count gives the sum of a metric's series whose labels contain all of want ("cause=overload").
func (p *player) count(metric string, want ...string) float64 {
	families, err := p.registry.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			labels := map[string]bool{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()+"="+l.GetValue()] = true
			}
			for _, w := range want {
				if !labels[w] {
					continue series
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// apply takes the words of a set line.
func (set *setting) apply(words []string) error {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		if err := set.one(name, value); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	return nil
}

func (set *setting) one(name, value string) error {
	agent, field, ofAgent := strings.Cut(name, ".")
	if ofAgent {
		return set.ofAgent(agent, field, value)
	}
	limits := &set.cfg.Limits
	var err error
	switch name {
	case "proto": // of all
		set.stream = value == "tcp"
		if set.stream {
			for i := range set.cfg.Listeners {
				set.cfg.Listeners[i].Proto = transport.TCP
			}
			for _, t := range set.cfg.Table.Trunks {
				t.Target.Proto = transport.TCP
			}
		}
	case "name": // in the DNS: name=sip.telco.example:B2
		host, machine, _ := strings.Cut(value, ":")
		set.player.net.names[host] = []netip.Addr{machines[machine].Addr()}
	case "carriers": // 2 or 3: those at B2 and B3 are asked after B
		n, _ := strconv.Atoi(value)
		if n < 2 || n > 3 {
			return errUsage
		}
		for _, t := range set.others[:n-1] {
			t.Target.Proto = set.cfg.Table.Trunks[1].Target.Proto
			set.cfg.Table.Trunks = append(set.cfg.Table.Trunks, t)
		}
		set.cfg.Table.Routes[0].To = trunk.To(set.cfg.Table.Trunks[1:]...)
	case "tech": // tech=55#:B2 leads to that carrier
		prefix, machine, _ := strings.Cut(value, ":")
		set.cfg.Table.Routes = append(set.cfg.Table.Routes, trunk.Route{From: transport.Dialer, TechPrefix: prefix, To: trunk.To(set.trunk(machine))})
	case "silent":
		limits.Silent, err = time.ParseDuration(value)
	case "ring":
		limits.Ring, err = time.ParseDuration(value)
	case "session":
		limits.Session, err = time.ParseDuration(value)
	case "length":
		limits.Duration, err = time.ParseDuration(value)
	case "calls":
		limits.Calls, err = strconv.Atoi(value)
	case "setups":
		limits.Setups, err = strconv.Atoi(value)
	case "memory":
		limits.Memory, err = strconv.ParseUint(value, 10, 64)
	case "phones": // phones=on: they register, and only then may call; phones=auto: and answer logins by themselves
		set.cfg.Accounts.Plan.Default = "dialer1"
		set.cfg.Phones = signaling.Phones{Source: netip.AddrPortFrom(phonesAddr, 5062),
			AutoAnswer: value == "auto"}
		set.cfg.Listeners[2].Sources = nil
	case "unknown": // unknown=drop: strangers get no answer
		set.cfg.Trust.Drop = value == "drop"
	case "routes":
		set.cfg.Table.Routes = nil
	case "gone": // gone=B: its trunk is configured no more
		t := set.trunk(value)
		set.cfg.Table.Routes = nil
		set.cfg.Table.Trunks = slices.DeleteFunc(set.cfg.Table.Trunks, func(o *trunk.Trunk) bool { return o == t })
	default:
		return errUsage
	}
	return err
}

var modes = map[string]sdp.Mode{"off": sdp.Off, "preferred": sdp.Preferred, "required": sdp.Required}

// ofAgent sets something of a trunk: a.media=required.
func (set *setting) ofAgent(agent, field, value string) error {
	agent = strings.ToUpper(agent)
	t := set.trunk(agent)
	if field == "transfer" {
		policy, err := trunk.ParseTransfer(value)
		if agent == "C" {
			set.cfg.Listeners[2].Transfer = policy
		} else if t != nil {
			t.Transfer = policy
		}
		return err
	}
	if agent == "C" && field == "media" {
		set.cfg.Listeners[2].Media = modes[value]
		set.player.sealed[agent] = modes[value] == sdp.Required
		return nil
	}
	if t == nil {
		return errUsage
	}
	var err error
	switch field {
	case "calls":
		t.Limits.Calls, err = strconv.Atoi(value)
	case "cps":
		t.Limits.PerSecond, err = strconv.Atoi(value)
	case "deny":
		t.Limits.Deny = []string{value}
	case "longest":
		t.Limits.Longest, err = strconv.Atoi(value)
	case "health":
		t.Health = trunk.Health{DownAfter: 3, UpAfter: 2}
		t.Health.Interval, err = time.ParseDuration(value)
	case "audio":
		at, err := netip.ParseAddr(value)
		t.Audio = trunk.Audio{Bind: at, Show: at}
		return err
	case "media":
		t.Media = modes[value]
		set.player.sealed[agent] = t.Media == sdp.Required
	case "sources":
		t.Sources = nil
	case "redirect":
		t.Follow = value == "follow"
	case "host":
		t.Target.Host = value
	case "auth": // b.auth=user:password
		user, password, _ := strings.Cut(value, ":")
		t.Credentials = auth.Credentials{User: user, Password: auth.NewSecret(password)}
	case "inbound": // a.inbound=user:password
		user, password, _ := strings.Cut(value, ":")
		t.Inbound = trunk.Inbound{User: user, Keys: auth.NewKeys(user, set.cfg.Realm, auth.NewSecret(password))}
	case "register": // b.register=number, which is also the user of the account
		t.Register = &trunk.Registration{User: value, Extension: value, Expires: time.Hour}
	case "on_403":
		var err error
		t.Register.On403, err = register.ParsePolicy(value)
		return err
	default:
		return errUsage
	}
	return err
}

// trunk is the one whose machine has this name, or nil.
func (set *setting) trunk(machine string) *trunk.Trunk {
	for _, t := range set.cfg.Table.Trunks {
		if t.Target.Host == machines[machine].Addr().String() {
			return t
		}
	}
	return nil
}
