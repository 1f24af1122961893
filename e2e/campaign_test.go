package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A VICIdial house under load: the bench's vicidial-s calls two Asterisks in the place of VICIdial's originate, a 16 that is set up by what
// callseal prints for VICIdial, and a 22. They dial out through callseal to three carriers, which are the bench again, and do what is planned
// for each number. Agents' phones are the bench's too.

// What the carrier of the limits gets.
const (
	limitCalls     = 20
	limitPerSecond = 1
)

// campaignNumber is what the bench's numbers begin with.
const campaignNumber = "1555"

// campaignHears is what an Asterisk that dials on tells its caller of the callee's code, where it is not the same.
const campaignHears = "504=603,603=403,607=500,608=500"

// campaignLength is how long the bench calls. CALLSEAL_CAMPAIGN is a shorter time for who works on this test, 75s at least.
func campaignLength(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("CALLSEAL_CAMPAIGN")
	if text == "" {
		return 3 * time.Minute
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return length
}

// vicidialHouse is everybody in it. The carriers' addresses are where the bench listens.
type vicidialHouse struct {
	ca      *authority
	from    netip.Addr // where the bench calls from
	dialers []*asterisk
	sbc     *sbc

	sealed, clear, plain netip.AddrPort // TLS and SRTP, with limits; TLS and RTP; UDP and RTP, registered with
	refusing, silent     netip.AddrPort // not there in the first third of the run: TLS and SRTP; UDP and RTP
}

const agents = 25

// startVicidialHouse starts all but the bench.
func startVicidialHouse(t *testing.T) *vicidialHouse {
	t.Helper()
	sip, tls := func() netip.AddrPort { return netip.AddrPortFrom(address(), 5060) }, func() netip.AddrPort { return netip.AddrPortFrom(address(), 5061) }
	h := &vicidialHouse{ca: newAuthority(t, "ca"), from: address(), sealed: tls(), clear: tls(), plain: sip(), refusing: tls(), silent: sip()}
	sbcAddr := address()
	collected.secret(phoneSecret, "the phones' password")
	logCalls(t)
	db := startMariaDB(t)
	db.do(t, vicidial()...)
	var phones []string
	for n := range agents {
		phones = append(phones, strconv.Itoa(2001+n))
	}
	dialers := []asteriskConfig{
		{Version: 16, Addr: address(), VICIdial: &pasted{}}, // what is pasted comes later
		{Version: 22, Addr: address(), Remote: dialersOf(sbcAddr)},
	}
	config := h.config(t, sbcAddr, db, dialers)
	file := config.write(t, sbcAddr, address(), h.ca)
	for i, c := range dialers {
		name := fmt.Sprintf("dialer%d", i+1)
		if c.VICIdial != nil {
			c.VICIdial = paste(t, file, c.Addr, h.ca.issue(t, name+".test", c.Addr), h.ca)
		}
		c.Sealed, c.Tone, c.Phones = true, dialerTone, phones
		c.Campaign = &campaign{Bench: h.from, Number: campaignNumber, Ring: 60, Prefix: [10]string{"41", "42", "", "", "", "45", "45", "46", "46", "46"}}
		d := startAsterisk(t, name, c.Addr, h.ca, c)
		d.rx(map[int]string{16: "sip set debug off", 22: "pjsip set logger off"}[c.Version]) // what it writes would cost more than the calls
		h.dialers = append(h.dialers, d)
		for _, phone := range phones {
			db.do(t, addPhone(phone, c.Addr, fmt.Sprintf("%s%c", phone, 'a'+i), phoneSecret))
		}
	}
	db.do(t, fmt.Sprintf("UPDATE phones SET protocol = 'PJSIP' WHERE server_ip = '%s'", dialers[1].Addr))
	for _, phone := range phones { // as an agent who may be sent calls by any dialer
		db.do(t, fmt.Sprintf("INSERT INTO phones_alias SET alias_id = 'agent%[1]s', logins_list = '%[1]sa,%[1]sb'", phone))
	}
	h.sbc = startSBC(t, sbcAddr, h.ca, config)
	h.sbc.logLine(t, "phones read", fmt.Sprintf("accounts=%d aliases=%d", 2*agents, agents))
	return h
}

// config is callseal's.
func (h *vicidialHouse) config(t *testing.T, sbcAddr netip.Addr, db *mariadb, dialers []asteriskConfig) sbcConfig {
	c := sbcConfig{
		trunks: []trunk{
			{role: "carrier", name: "sealed", remote: h.sealed, serverName: "telco.test",
				more: []string{fmt.Sprintf("limits: {calls: %d, calls_per_second: %d}", limitCalls, limitPerSecond)}},
			{role: "carrier", name: "clear", remote: h.clear, serverName: "telco.test", clear: true},
			{role: "carrier", name: "plain", remote: h.plain, plain: true,
				more: []string{fmt.Sprintf("register: {line: \"udp://107:%s@%s/%s~60\"}", phoneSecret, h.plain, callerNumber)}},
			{role: "carrier", name: "refusing", remote: h.refusing, serverName: "telco.test"},
			{role: "carrier", name: "silent", remote: h.silent, plain: true},
		},
		routes: []string{
			"dialer sealed, clear",
			`{from: dialer, tech_prefix: "41", to: [refusing, clear]}`,
			`{from: dialer, tech_prefix: "42", to: [silent, plain]}`,
			`{from: dialer, tech_prefix: "45", to: [clear]}`,
			`{from: dialer, tech_prefix: "46", to: [plain]}`,
			"phone dialer1",
		},
		ports:  "20000-21999",
		front:  sbcAddr, // chan_sip knows the address by the common name of the certificate
		phones: fmt.Sprintf("registrar: local, source: %s, %s", address(), db.yaml(t)),
	}
	for i, d := range dialers {
		c.trunks = append(c.trunks, trunk{role: "dialer", name: fmt.Sprintf("dialer%d", i+1), remote: netip.AddrPortFrom(d.Addr, 5061), calls: true})
	}
	return c
}

// end is an end of a call, as the bench writes it.
type end struct {
	Number, Party, Local, Planned, Got, Fault string
	Refusal, Code                             int
	Began, Over                               time.Time
}

// campaignRun is what the bench says of a run.
type campaignRun struct {
	ends   []end
	length time.Duration
	// The rest is of its record.
	Bound   bool           `json:"generator_bound"`
	Calls   map[string]int // by outcome
	Tone    struct{ Checked, Wrong int }
	Packets struct{ Sent, Received, Lost, Foreign, Duplicated, Unauthentic int }
	Samples []struct{ Up, Started int }
	Faults  []string
}

// run lets the bench call.
func (h *vicidialHouse) run(t *testing.T, length time.Duration) campaignRun {
	t.Helper()
	id := h.ca.issue(t, "telco.test", h.sealed.Addr())
	each, file := filepath.Join(t.ArtifactDir(), "calls.jsonl"), filepath.Join(t.ArtifactDir(), "bench.json")
	later := (length / 3).String()
	cmd := exec.Command(callsealBench(t), "run", "vicidial-s", "--tone", "--duration="+length.String(), "--number="+campaignNumber, "--hears="+campaignHears,
		"--target=sip:"+h.dialers[0].Addr.String()+":5060", "--other-target=sip:"+h.dialers[1].Addr.String()+":5060",
		"--from="+netip.AddrPortFrom(h.from, 0).String(), "--plain-caller",
		"--answer=tls://"+h.sealed.String(), "--answer=tls://"+h.clear.String()+"?media=plain", "--answer=udp://"+h.plain.String()+"?media=plain&account=107",
		"--answer=tls://"+h.refusing.String()+"?opens="+later, "--answer=udp://"+h.silent.String()+"?media=plain&silent="+later,
		"--certificate="+id.cert, "--key="+id.key,
		"--registrar=sips:"+h.sbc.phones().String(), "--ca="+h.ca.file, "--server-name=sbc.test",
		"--answer-user=agent2001", "--answer-number=2001", fmt.Sprintf("--answerers=%d", agents), "--answer-from="+netip.AddrPortFrom(address(), 0).String(),
		"--each="+each, "--json="+file, "--slo=loss<0.1%")
	cmd.Env = append(os.Environ(), "CALLSEAL_BENCH_ANSWER_PASSWORD="+phoneSecret)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	collected.add(t.Name()+" bench", string(out))
	r := campaignRun{length: length}
	if err := json.Unmarshal([]byte(read(t, file)), &r); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(read(t, each)) {
		var e end
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		r.ends = append(r.ends, e)
	}
	if err != nil && !r.Bound {
		t.Errorf("the bench: %v", err)
	}
	return r
}

func TestVicidialHouse(t *testing.T) {
	needPeers(t)
	h, length := startVicidialHouse(t), campaignLength(t)
	r := h.run(t, length)
	h.sbc.idle(t)
	r.wantNoFault(t)
	h.wantOutcomes(t, r)
	h.wantLimits(t, r)
	h.wantFailover(t, r)
	if n := h.sbc.metric(t, "callseal_trunk_registered", `trunk="plain"`); n != 1 {
		t.Errorf("callseal_trunk_registered is %v", n)
	}
}

// wantNoFault asserts that each end of each call has seen what was planned, and has heard the other's tone all the time.
func (r campaignRun) wantNoFault(t *testing.T) {
	t.Helper()
	for _, e := range r.ends {
		if e.Fault == "" && e.Got == e.Planned || r.Bound && strings.HasPrefix(e.Fault, "hung up before its time") { // its clock was late, not callseal
			continue
		}
		t.Errorf("%s: planned %s %d, the %s got %s %d: %s", e.Number, e.Planned, e.Refusal, e.Party, e.Got, e.Code, e.Fault)
	}
	up, started := 0, 0
	for _, s := range r.Samples {
		up, started = max(up, s.Up), max(started, s.Started)
	}
	t.Logf("calls %v, at most %d up and %d begun in a second; tones %+v; packets %+v", r.Calls, up, started, r.Tone, r.Packets)
	if r.Tone.Checked < 2*agents || r.Tone.Wrong > 0 || r.Packets.Foreign > 0 || r.Packets.Duplicated > 0 || r.Packets.Unauthentic > 0 {
		t.Errorf("tones %+v, packets %+v, faults %q", r.Tone, r.Packets, r.Faults)
	}
}

// campaignResult is what a dialer writes when a call is over.
var campaignResult = regexp.MustCompile(`: RESULT (\d+) ([A-Z]+) (\d+) \[(.*)\]`)

type dialed struct {
	dialer *asterisk
	status string
	cause  int
	text   string
}

// results are the dialers', by number.
func (h *vicidialHouse) results(t *testing.T) map[string][]dialed {
	t.Helper()
	all := map[string][]dialed{}
	for _, d := range h.dialers {
		for _, m := range campaignResult.FindAllStringSubmatch(read(t, d.fullLog()), -1) {
			cause, _ := strconv.Atoi(m[3]) // the pattern holds digits only
			all[m[1]] = append(all[m[1]], dialed{d, m[2], cause, m[4]})
		}
	}
	return all
}

// wants is what a dialer makes of a planned end: DIALSTATUS and HANGUPCAUSE, and the code that it was told.
func (e end) wants(version int) (want fidelity) {
	switch e.Planned {
	case "answered":
		return fidelity{200, "ANSWER", 16}
	case "cancelled": // by who called the dialer; it takes no final code
		return fidelity{180, "CANCEL", map[int]int{16: 0, 22: 127}[version]}
	case "busy":
		e.Refusal = 486
	}
	rows := map[int][]fidelity{16: fidelityAt16, 22: fidelityAt22}[version]
	return rows[slices.IndexFunc(rows, func(f fidelity) bool { return f.code == e.Refusal })]
}

// wantOutcomes asserts that what a carrier did is what the dialer that had dialled was told, for each number: DIALSTATUS, HANGUPCAUSE and the
// code, of which VICIdial makes the status of a lead.
func (h *vicidialHouse) wantOutcomes(t *testing.T, r campaignRun) {
	t.Helper()
	results := h.results(t)
	kinds, wrong := map[string]int{}, 0
	for _, e := range r.ends {
		if e.Party != "caller" {
			continue
		}
		got := results[e.Number]
		delete(results, e.Number)
		kinds[strings.TrimSuffix(fmt.Sprintf("%s %d", e.Planned, e.Refusal), " 0")]++
		if len(got) != 1 {
			t.Errorf("%s: the dialers say %v, want one of them", e.Number, got)
			wrong++
			continue
		}
		g, want := got[0], e.wants(got[0].dialer.Version)
		if g.status != want.status || g.cause != want.cause || !strings.HasPrefix(g.text, fmt.Sprintf("SIP %d ", want.code)) {
			t.Errorf("%s, planned %s %d: %s has %s %d [%s], want %+v", e.Number, e.Planned, e.Refusal, g.dialer.name, g.status, g.cause, g.text, want)
			wrong++
		}
	}
	for number, rest := range results {
		t.Errorf("%s: nobody has called it, and the dialers say %v", number, rest)
	}
	t.Logf("%d wrong codes; by what was planned: %v", wrong, kinds)
	if len(kinds) < 12 {
		t.Errorf("only %d kinds of outcomes", len(kinds))
	}
}

// wantLimits asserts that the carrier with limits has had as many calls as these allow, and never more.
func (h *vicidialHouse) wantLimits(t *testing.T, r campaignRun) {
	t.Helper()
	var began []time.Time
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, e := range r.ends {
		if e.Party == "answerer" && e.Local == h.sealed.String() {
			began = append(began, e.Began)
			changes = append(changes, change{e.Began, 1}, change{e.Over, -1})
		}
	}
	if len(began) < limitCalls {
		t.Fatalf("the carrier with limits had %d calls only", len(began))
	}
	slices.SortFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	slices.SortFunc(began, time.Time.Compare)
	up, most := 0, 0
	for _, c := range changes {
		up += c.by
		most = max(most, up)
	}
	slack := 100 * time.Millisecond // to arrive takes not always as long
	if r.Bound {
		slack = 500 * time.Millisecond
	}
	closest := time.Hour
	for i := range began[1:] {
		closest = min(closest, began[i+1].Sub(began[i]))
	}
	gone := [2]float64{}
	for i, limit := range []string{"calls", "cps"} {
		gone[i] = h.sbc.metric(t, "callseal_failovers_total", `name="sealed"`, `cause="`+limit+`"`)
	}
	t.Logf("the carrier with limits: %d calls, at most %d at once, the closest two %v apart; for want of a place %v went on, for want of a turn %v",
		len(began), most, closest, gone[0], gone[1])
	if most != limitCalls || closest < time.Second/limitPerSecond-slack {
		t.Errorf("want at most %d at once, reached, and %d in a second", limitCalls, limitPerSecond)
	}
	if gone[0] == 0 || gone[1] == 0 {
		t.Error("a limit has kept nobody out")
	}
}

// arrivals is how long after the dialer, by number, a carrier had its INVITE for the first time.
func (r campaignRun) arrivals(at netip.AddrPort) map[string]time.Duration {
	asked, took := map[string]time.Time{}, map[string]time.Duration{}
	for _, e := range r.ends {
		if e.Party == "caller" {
			asked[e.Number] = e.Began
		}
	}
	for _, e := range r.ends {
		if d := e.Began.Sub(asked[e.Number]); e.Party == "answerer" && e.Local == at.String() && (took[e.Number] == 0 || d < took[e.Number]) {
			took[e.Number] = d
		}
	}
	return took
}

// wantFailover asserts how long it takes to the next carrier while one refuses, or is silent, and that both are used once they are there.
func (h *vicidialHouse) wantFailover(t *testing.T, r campaignRun) {
	t.Helper()
	start := slices.MinFunc(r.ends, func(a, b end) int { return a.Began.Compare(b.Began) }).Began
	for _, row := range []struct {
		name     string
		at, next netip.AddrPort
		digit    string // that the numbers end with
		others   string // likewise, of those that go to next alone
		bar      time.Duration
	}{
		{"refusing", h.refusing, h.clear, "0", "56", 100 * time.Millisecond},
		{"silent", h.silent, h.plain, "1", "789", 2 * time.Second},
	} {
		var took, straight []time.Duration
		next, asked := r.arrivals(row.next), 0
		for _, e := range r.ends {
			d, there := next[e.Number]
			switch {
			case e.Party != "caller" || !strings.HasPrefix(e.Number, campaignNumber):
			case there && strings.Contains(row.others, e.Number[len(e.Number)-1:]):
				straight = append(straight, d)
			case strings.HasSuffix(e.Number, row.digit) && e.Began.Sub(start) < r.length/3-3*time.Second:
				if asked++; there {
					took = append(took, d)
				}
			}
		}
		slices.Sort(took)
		slices.Sort(straight)
		later := len(r.arrivals(row.at))
		if len(took) < asked || len(took) == 0 || len(straight) == 0 || later == 0 {
			t.Errorf("%s: %d of %d calls went on while it was not there, %d came to it later, and %d to the next one straight", row.name, len(took), asked, later, len(straight))
			continue
		}
		median, longest, usual := took[len(took)/2], took[len(took)-1], straight[len(straight)-1]
		t.Logf("%s: %d calls went on, to the next carrier half within %v and the longest within %v; straight the longest took %v; %d calls came to it later",
			row.name, len(took), median, longest, usual, later)
		if longest > row.bar+usual {
			t.Errorf("%s: %v to the next carrier, want at most %v, and what it takes straight", row.name, longest, row.bar)
		}
	}
}
