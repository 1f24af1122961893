package registrar

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"

	"callseal/signaling/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// register makes a REGISTER of user with these Contacts, each a URI and parameters like "expires=0".
func register(user string, contacts ...[]string) *sip.Request {
	var aor sip.Uri
	_ = sip.ParseUri("sip:"+user+"@sbc.example", &aor) // the tests write good ones
	req := sip.NewRequest(sip.REGISTER, sip.Uri{Scheme: "sip", Host: "sbc.example"})
	req.AppendHeader(&sip.FromHeader{Address: aor, Params: sip.NewParams()})
	req.AppendHeader(&sip.ToHeader{Address: aor, Params: sip.NewParams()})
	for _, c := range contacts {
		h := &sip.ContactHeader{Params: sip.NewParams()}
		if c[0] == "*" {
			h.Address = sip.Uri{Wildcard: true, Host: "*"}
		} else if err := sip.ParseUri(c[0], &h.Address); err != nil {
			panic(err)
		}
		for _, p := range c[1:] {
			name, value, _ := strings.Cut(p, "=")
			h.Params.Add(name, value)
		}
		req.AppendHeader(h)
	}
	return req
}

func TestRead(t *testing.T) {
	phone := []string{"sip:101@10.0.0.5:5060"}
	many := make([][]string, maxContacts+1)
	for i := range many {
		many[i] = phone
	}
	for _, row := range []struct {
		name   string
		req    *sip.Request
		expiry string
		code   int // 0: it is good
		want   Ask
	}{
		{"a phone", register("101", phone), "600", 0, Ask{Expiry: 10 * time.Minute}},
		{"without Expires", register("101", phone), "", 0, Ask{Expiry: time.Hour}},
		{"with its own", register("101", []string{phone[0], "expires=90"}), "600", 0, Ask{Expiry: 90 * time.Second}},
		{"with nonsense", register("101", []string{phone[0], "expires=soon"}), "x", 0, Ask{Expiry: time.Hour}},
		{"it leaves", register("101", phone), "0", 0, Ask{Remove: true}},
		{"it changes places", register("101", phone, []string{"sip:101@10.0.0.6", "expires=0"}), "60", 0, Ask{Expiry: time.Minute}},
		{"all leave", register("101", []string{"*"}), "0", 0, Ask{Remove: true, All: true}},
		{"all leave but not now", register("101", []string{"*"}), "60", 400, Ask{}},
		{"all and one", register("101", []string{"*"}, phone), "0", 400, Ask{}},
		{"it asks", register("101"), "", 0, Ask{Expiry: time.Hour}},
		{"two at once", register("101", phone, []string{"sip:101@10.0.0.6"}), "60", 400, Ask{}},
		{"too many", register("101", many...), "0", 400, Ask{}},
		{"no user", register(""), "", 400, Ask{}},
		{"a user with a quote", register("1%22"), "", 400, Ask{}},
		{"a long user", register(strings.Repeat("1", 65)), "", 400, Ask{}},
		{"not a phone's URI", register("101", []string{"tel:123"}), "60", 400, Ask{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.expiry != "" {
				row.req.AppendHeader(sip.NewHeader("Expires", row.expiry))
			}
			got, err := Read(row.req, &transport.Flow{})
			if no := (*Fault)(nil); errors.As(err, &no) {
				if no.Code != row.code || !strings.Contains(no.Error(), no.Phrase) {
					t.Errorf("%v, want %d", no, row.code)
				}
				return
			}
			if row.code != 0 || got.Expiry != row.want.Expiry || got.Remove != row.want.Remove || got.All != row.want.All || got.User != "101" {
				t.Errorf("%+v, want %d %+v", got, row.code, row.want)
			}
		})
	}
	other := register("101", phone)
	other.From().Address.User = "102"
	if _, err := Read(other, &transport.Flow{}); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("somebody registers another: %v", err)
	}
}

// TestTokens: a phone has the same token whenever it registers, and no other phone has it, whatever it claims to be.
func TestTokens(t *testing.T) {
	of := func(user string, proto transport.Proto, contact ...string) string {
		return token(user, identity(register(user, contact).Contact(), proto))
	}
	instance := `+sip.instance="<urn:uuid:1>"`
	same := [][2]string{
		{of("101", transport.TLS, "sip:101@10.0.0.5:40000", instance, "reg-id=1"), of("101", transport.TCP, "sip:x@10.9.9.9:50000", instance, "reg-id=1")},
		{of("101", transport.TLS, "sip:101@10.0.0.5:40000"), of("101", transport.TLS, "sip:101@10.0.0.5:40001")},
	}
	for _, pair := range same {
		if pair[0] != pair[1] {
			t.Errorf("%s and %s of one phone", pair[0], pair[1])
		}
	}
	seen := map[string]bool{}
	for _, one := range []string{
		same[0][0], same[1][0],
		of("102", transport.TLS, "sip:101@10.0.0.5:40000", instance, "reg-id=1"),
		of("101", transport.TLS, "sip:101@10.0.0.5:40000", instance, "reg-id=2"),
		of("101", transport.UDP, "sip:101@10.0.0.5:5060"), of("101", transport.UDP, "sip:101@10.0.0.5:5062"),
		of("101", transport.TLS, "sip:101@10.0.0.6:40000"),
	} {
		if seen[one] || !IsToken(one) {
			t.Errorf("%s belongs to two phones, or is no token", one)
		}
		seen[one] = true
	}
	for _, number := range []string{"101", "18005551212", "+49301234", "101-cs-", "101-cs-abc", "-cs-abcdefghijklmnopqrstuvwx", ""} {
		if IsToken(number) {
			t.Errorf("%q is taken for a token", number)
		}
	}
}

// TestOutcomes: each has a label of its own.
func TestOutcomes(t *testing.T) {
	seen := map[string]bool{}
	for o := Registered; o <= WrongPassword; o++ {
		if seen[o.String()] || strings.Contains(o.String(), "(") {
			t.Errorf("%d is %s", o, o)
		}
		seen[o.String()] = true
	}
	if got := (WrongPassword + 1).String(); got != "outcome(10)" {
		t.Error(got)
	}
}

func TestStale(t *testing.T) {
	for value, want := range map[string]bool{
		`Digest realm="asterisk", nonce="1", stale=TRUE`: true, `Digest stale="true", nonce="1"`: true, `Digest nonce="1", stale=false`: false, `Digest nonce="1"`: false,
	} {
		res := sip.NewResponse(401, "Unauthorized")
		res.AppendHeader(sip.NewHeader("WWW-Authenticate", value))
		if got := stale(res); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
}

// TestLateAnswer: of two REGISTERs of a phone the one that it sent last counts, whichever is answered last.
func TestLateAnswer(t *testing.T) {
	table := NewTable(10, nil)
	defer table.Close()
	f := &transport.Flow{}
	a, err := Read(register("101", []string{"sip:101@10.0.0.5:5060"}), f)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		seq  uint32
		want string
	}{{5, "5"}, {7, "7"}, {6, "7"}, {7, "7"}, {0, "0"}, {1, "1"}} {
		e := Entry{Ask: a, Seq: row.seq, Flow: f, Agent: strconv.Itoa(int(row.seq)), Expiry: time.Minute}
		if _, _, ok := table.Put(e); !ok || table.Phones()[0].Agent != row.want {
			t.Errorf("after %d: %+v", row.seq, table.Phones())
		}
	}
}

// TestShows: whichever header answers a challenge, a wrong answer is an offence.
func TestShows(t *testing.T) {
	for name, want := range map[string]bool{"Authorization": true, "Proxy-Authorization": true, "Subject": false} {
		req := register("101")
		req.AppendHeader(sip.NewHeader(name, "Digest x"))
		if shows(req) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// TestShareOfTheWaiting: 500 phones behind one router, with two accounts each, register at once; more from there take nothing of others, and
// strangers, whose addresses may be forged, nothing of addresses with phones.
func TestShareOfTheWaiting(t *testing.T) {
	r := New(Config{Log: slog.New(slog.DiscardHandler)})
	defer r.table.Close()
	f := &transport.Flow{}
	ask := func(i int) *Ask {
		a, err := Read(register(strconv.Itoa(i), []string{"sip:1@10.0.0.5"}), f)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	enter := func(n int, from string) (taken int) {
		for i := range n {
			if _, ok := r.enter(ask(i), netip.MustParseAddr(from)); ok {
				taken++
			}
		}
		return taken
	}
	for _, row := range []struct {
		what, from string
		n, want    int
	}{
		{"an office", "192.0.2.1", 2000, 1000},
		{"another office", "192.0.2.2", 1000, 1000},
		{"addresses of one IPv6 network", "2001:db8::1", 600, 600},
		{"addresses of one IPv6 network", "2001:db8::ffff:1", 600, 400},
		{"who forges addresses", "192.0.2.3", 2000, 1000},
		{"who forges more of them", "192.0.2.4", 1000, 0},
	} {
		if got := enter(row.n, row.from); got != row.want {
			t.Errorf("%s, %s: %d taken, want %d", row.what, row.from, got, row.want)
		}
	}
	r.table.mu.Lock()
	r.table.byAddr[netip.MustParseAddr("192.0.2.5")] = 1 // as of a phone that has registered from there
	r.table.mu.Unlock()
	if got := enter(500, "192.0.2.5"); got != 500 {
		t.Errorf("of an address with phones %d taken, want all", got)
	}
	r.table.mu.Lock()
	delete(r.table.byAddr, netip.MustParseAddr("192.0.2.5"))
	r.table.mu.Unlock()
	for i := range 1000 {
		r.leave(ask(i), netip.MustParseAddr("192.0.2.1"))
	}
	if got := enter(2000, "192.0.2.1"); got != 500 {
		t.Errorf("after the answers %d taken, want 500", got)
	}
}

// TestTheOldestContactGoes: an AOR has ten contacts here. Its dialer has said yes to the eleventh, which takes the place of one that is gone, else
// of the one that registered longest ago.
func TestTheOldestContactGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable(100, nil)
		defer table.Close()
		f := &transport.Flow{}
		put := func(i int) {
			t.Helper()
			time.Sleep(time.Second)
			a, err := Read(register("101", []string{fmt.Sprintf("sip:101@10.0.0.%d", i)}), f)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, ok := table.Put(Entry{Ask: a, Flow: f, Expiry: time.Minute}); !ok {
				t.Fatalf("contact %d is refused", i)
			}
		}
		has := func() string {
			var all []string
			for _, s := range table.Phones() {
				all = append(all, strings.TrimPrefix(s.Contact, "sip:101@10.0.0."))
			}
			slices.Sort(all)
			return strings.Join(all, " ")
		}
		for i := range MaxOfOne {
			put(10 + i)
		}
		table.mu.Lock() // a flow without a socket is dead; these are not to be
		for _, b := range table.bindings {
			b.gone = strings.HasSuffix(b.ask.Contact.Address.Host, "15")
		}
		table.mu.Unlock()
		put(10) // again
		put(20)
		if got := has(); got != "10 11 12 13 14 16 17 18 19 20" {
			t.Errorf("%s are left, want all but the one that is gone", got)
		}
		table.mu.Lock()
		for _, b := range table.bindings {
			b.gone = false
		}
		table.mu.Unlock()
		put(21)
		if got := has(); got != "10 12 13 14 16 17 18 19 20 21" {
			t.Errorf("%s are left, want all but the oldest", got)
		}
	})
}

// TestRemovedWithOthers: whoever removes several contacts names each of them once to the dialer, and not the one that it registers.
func TestRemovedWithOthers(t *testing.T) {
	one, two, three := "sip:101@10.0.0.5", "sip:101@10.0.0.6", "sip:101@10.0.0.7"
	a, err := Read(register("101", []string{one}, []string{two, "expires=0"}, []string{three, "expires=0"}, []string{two, "expires=0"}, []string{one, "expires=0"}), &transport.Flow{})
	if err != nil {
		t.Fatal(err)
	}
	of := func(uri string) string { return token("101", identity(register("101", []string{uri}).Contact(), 0)) }
	if got, want := strings.Join(a.others, " "), of(two)+" "+of(three); got != want {
		t.Errorf("%s are removed, want %s", got, want)
	}
}
