package ladder

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What two remotes may say at any moment that can be said at all, sensible or not.
var (
	opening = []string{
		"INVITE", "INVITE nosdp", "INVITE can:100rel,update", "INVITE can:100rel,update\n\tRequire: 100rel", "INVITE can:timer,update\n\tSession-Expires: 90;refresher=uas",
		"INVITE can:timer,100rel\n\tSession-Expires: 120;refresher=uac", "INVITE sdp:pcmu,video", "INVITE nosdp can:update,100rel\n\tRequire: 100rel",
	}
	asking = []string{
		"BYE", "ACK", "ACK", "ACK sdp", "INVITE sdp:sendonly", "INVITE", "INVITE nosdp", "INVITE sdp:pcma,video", "INVITE sdp:noaudio", "INVITE sdp:inactive,port=4600",
		"UPDATE", "UPDATE sdp:sendonly", "UPDATE sdp:port=4700", "UPDATE can:timer,update\n\tSession-Expires: 90;refresher=uac", "INFO", "OPTIONS", "PRACK\n\tRAck: {rack}",
		"PRACK sdp:inactive\n\tRAck: {rack}", "PRACK\n\tRAck: 1 1 INVITE", "UPDATE sdp:zero\n\tContact: <sip:b@{B2}>", "CANCEL", "INVITE cseq:1", "BYE cseq:1",
	}
	answering = []string{
		"100", "180", "183 sdp", "183 sdp rseq:1 can:update", "180 rseq:1", "183 rseq:2 sdp:pcma", "200", "200", "200", "200 nosdp", "200 sdp:pcma,recvonly", "200 sdp:noaudio",
		"200 can:timer,update sdp\n\tSession-Expires: 90;refresher=uac", "200 can:timer sdp\n\tSession-Expires: 90;refresher=uas", "302\n\tContact: <sip:1@{B2}>", "302\n\tContact: <sip:2@{B}>", "408", "422\n\tMin-SE: 600",
		"481", "486", "487", "488", "491", "500", "503", "404", "480", "603",
	}
	pauses = []string{"0s", "0s", "0s", "0s", "10ms", "600ms", "3s", "20s", "40s", "70s"}
)

// TestAnyOrder: whatever two remotes say in whatever order, nothing panics, each of their requests gets one final answer, each 2xx of theirs its
// ACK, each dialog its end, and nothing is left of the call.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(250) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { anyOrder(t, rand.New(rand.NewPCG(seed, 13))) }) //nolint:gosec // to be repeated, not secret
		})
	}
}

func anyOrder(t *testing.T, luck *rand.Rand) {
	one := func(of []string) string { return of[luck.IntN(len(of))] }
	settings, err := readScript("set length=5m ring=1m b.redirect=" + one([]string{"none", "follow"}) + " session=" + one([]string{"0s", "3m"}) + " proto=" + one([]string{"udp", "udp", "tcp"}) + "\nset a.media=" + one([]string{"off", "required"}) + "\nset b.media=" + one([]string{"off", "preferred", "required"}) + "\nset " + one([]string{"length=5m", "length=5m", "carriers=2", "carriers=3", "carriers=3 b2.media=required", "carriers=2 b2.audio=192.0.2.9",
		"b.cps=1", "carriers=2 b.calls=1 b2.cps=1"}))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlayer(t, settings)
	defer p.close()
	var said []string
	say := func(line string) {
		steps, err := readScript(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if p.agents[steps[0].agent].send(steps[0]) == nil { // else it cannot be said now
			said = append(said, line)
		}
		synctest.Wait()
	}
	say("A -> " + one(opening))
	for range 4 + luck.IntN(16) {
		p.hear()
		if d, _ := time.ParseDuration(one(pauses)); d > 0 {
			if p.agents["A"].pending() || p.agents["B"].pending() {
				d = min(d, time.Second)
			}
			said = append(said, "wait "+d.String())
			time.Sleep(d)
			p.hear()
		}
		names := []string{"A", "B", "B"}
		if p.agents["B2"] != nil {
			names = append(names, "B2", "B2")
		}
		if p.agents["B3"] != nil {
			names = append(names, "B3")
		}
		name := one(names)
		a, another := p.agents[name], "{"+name[:1]+"2}"
		if a.stream && luck.IntN(12) == 0 {
			said = append(said, "cut "+name)
			_ = verbs["cut"](p, &step{args: []string{name}}) // there is an agent of the name
			p.hear()
		}
		if luck.IntN(12) == 0 {
			said = append(said, "event lifetime "+name)
			_ = verbs["event"](p, &step{args: []string{"lifetime", name}}) // nobody listens after the end
		}
		tag := ""
		if name != "A" {
			tag = one([]string{"", "", "", " tag:y"})
		}
		if a.pending() && luck.IntN(4) > 0 {
			line, headers, _ := strings.Cut(one(answering), "\n")
			say(name + " -> " + line + tag + "\n" + strings.ReplaceAll(headers, "{B2}", another))
			continue
		}
		if a.calls[1] != nil && a.calls[1].last != nil {
			line, headers, _ := strings.Cut(one(asking), "\n")
			if line == "CANCEL" && a.cancelled(a.calls[1]) {
				continue // its answers could not be told apart
			}
			say(name + " -> " + line + tag + "\n" + strings.ReplaceAll(headers, "{B2}", another))
		}
	}
	for range 100 { // longer than a call may be, and than every clock after it
		time.Sleep(10 * time.Second)
		p.hear()
	}
	if err := p.nothingLeft(); err != nil {
		t.Errorf("%v\n%s\n%s", err, strings.Join(said, "\n"), p.report.String(nil))
	}
}

// hear takes note of all that came.
func (p *player) hear() {
	synctest.Wait()
	for _, name := range p.names() {
		a := p.agents[name]
		for r := a.next(); r != nil; r = a.next() {
			p.report.see(r.at, show(name, "<-", r.message))
			if !a.known[r.again()] || r.method() == "ACK" {
				a.take(r, &step{words: map[string]string{}})
			}
		}
	}
}

// pending tells whether a request of its first call, which the lines here are of, waits for a final answer of the agent, and its client has not given
// up yet. An agent may have a second one: a redirection led to it, and then its turn came as a trunk.
func (a *agent) pending() bool {
	for _, r := range slices.Backward(a.got) {
		if r.code() == 0 && r.talk != nil && r.talk == a.calls[1] && r.method() != "ACK" && r.final == 0 {
			a.player.mu.Lock()
			defer a.player.mu.Unlock()
			return a.player.now()-r.at < 25*time.Second && (r.link == nil || !r.link.dead)
		}
	}
	return false
}

// cancelled tells whether the agent has cancelled its last INVITE.
func (a *agent) cancelled(t *talk) bool {
	return t.out == nil || slices.ContainsFunc(a.sent, func(m *sent) bool { return m.method() == "CANCEL" && m.branch() == t.out.branch() })
}

// nothingLeft tells what a call left behind.
func (p *player) nothingLeft() error {
	var faults []error
	for metric, n := range map[string]float64{
		"calls": float64(p.server.Calls()), "media sessions": float64(p.studio.open()), "panics": p.count("callseal_call_panics_total"),
		"panics in lanes": p.count("callseal_sip_panics_total"), "active calls": p.count("callseal_calls_active"), "legs": p.count("callseal_srtp_legs"),
	} {
		if n != 0 {
			faults = append(faults, fmt.Errorf("%v %s", n, metric))
		}
	}
	for _, name := range p.names() {
		faults = append(faults, p.agents[name].settled())
	}
	return errors.Join(append(faults, p.marked())...)
}

// storable is a phrase that VICIdial can store.
var storable = regexp.MustCompile(`^[A-Za-z0-9 ._]{1,50}$`)

// marked finds a code at A that would mark a lead at VICIdial, and that no carrier ever said; or a phrase that cannot be stored there.
func (p *player) marked() error {
	said := map[int]bool{}
	for _, name := range p.names() {
		for _, m := range p.agents[name].sent {
			said[m.code()] = said[m.code()] || name != "A"
		}
	}
	for _, r := range p.agents["A"].got {
		if r.code() > 0 && !storable.MatchString(r.phrase()) {
			return fmt.Errorf("A was told %d %q", r.code(), r.phrase())
		}
		switch r.code() {
		case 404, 480, 484, 485, 486, 600, 603, 604:
			if !said[r.code()] {
				return fmt.Errorf("A was told %d, which no carrier said", r.code())
			}
		}
	}
	return nil
}
