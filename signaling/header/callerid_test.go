package header

import (
	"regexp"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"

	"callseal/signaling/transport"
)

func TestCallerID(t *testing.T) {
	const anonymous = `"Anonymous" <sip:anonymous@anonymous.invalid>;tag=t`
	pai, rpid := "P-Asserted-Identity: <sip:2125550100@h>", "Remote-Party-ID: <sip:2125550111@h>;privacy=off"
	for _, c := range []struct {
		name         string
		from, to     CallerID
		trust        bool
		headers      []string
		fromWant     string
		headersWant  string
		withoutHosts bool // the caller's From is anonymous already
	}{
		{"as it comes", CallerID{}, CallerID{}, false, []string{pai}, "<sip:7275551234@us>;tag=t", "P-Asserted-Identity: <sip:2125550100@us>", false},
		{"from pai", CallerID{Sources: []Source{Asserted, From}}, CallerID{}, false, []string{pai}, "<sip:2125550100@us>;tag=t", "P-Asserted-Identity: <sip:2125550100@us>", false},
		{"from rpid, which is not there", CallerID{Sources: []Source{RemoteParty}}, CallerID{}, false, []string{pai}, "<sip:7275551234@us>;tag=t", "P-Asserted-Identity: <sip:2125550100@us>", false},
		{"a withheld number stays in its header", CallerID{Sources: []Source{Asserted}}, CallerID{}, true, []string{pai, "Privacy: id"}, "<sip:7275551234@us>;tag=t", "P-Asserted-Identity: <sip:2125550100@us>\nPrivacy: id", false},
		{"and so in rpid", CallerID{Sources: []Source{RemoteParty}}, CallerID{}, false, []string{"Remote-Party-ID: <sip:2125550111@h>;privacy=full"}, "<sip:7275551234@us>;tag=t", "", false},
		{"send pai", CallerID{}, CallerID{Send: []Source{Asserted}}, false, []string{rpid, "X-CIDNAME: ACME"}, `"ACME" <sip:7275551234@us>;tag=t`, `P-Asserted-Identity: "ACME" <sip:7275551234@us>`, false},
		{"send pai from rpid", CallerID{Sources: []Source{RemoteParty}}, CallerID{Send: []Source{Asserted}}, false, []string{rpid}, "<sip:2125550111@us>;tag=t", "P-Asserted-Identity: <sip:2125550111@us>", false},
		{"send rpid", CallerID{}, CallerID{Send: []Source{RemoteParty}}, false, []string{pai}, "<sip:7275551234@us>;tag=t", "Remote-Party-ID: <sip:7275551234@us>;party=calling;screen=no;privacy=off", false},
		{"send both", CallerID{}, CallerID{Send: []Source{Asserted, RemoteParty}}, false, nil, "<sip:7275551234@us>;tag=t", "P-Asserted-Identity: <sip:7275551234@us>\nRemote-Party-ID: <sip:7275551234@us>;party=calling;screen=no;privacy=off", false},
		{"send none", CallerID{}, CallerID{Send: []Source{}}, false, []string{pai, rpid}, "<sip:7275551234@us>;tag=t", "", false},
		{"send to who is not trusted", CallerID{}, CallerID{Send: []Source{Asserted}}, false, []string{pai, "Privacy: id"}, "<sip:7275551234@us>;tag=t", "Privacy: id", false},
		{"send to who is", CallerID{}, CallerID{Send: []Source{RemoteParty}}, true, []string{"Privacy: id"}, "<sip:7275551234@us>;tag=t", "Privacy: id\nRemote-Party-ID: <sip:7275551234@us>;party=calling;screen=no;privacy=full", false},
		{"anonymous", CallerID{}, CallerID{Anonymous: true}, false, []string{pai}, "<sip:7275551234@us>;tag=t", "P-Asserted-Identity: <sip:2125550100@us>", false},
		{"anonymous by id", CallerID{}, CallerID{Anonymous: true}, false, []string{pai, "Privacy: id", "X-CIDNAME: ACME"}, anonymous, "Privacy: id", false},
		{"anonymous by rpid", CallerID{}, CallerID{Anonymous: true}, false, []string{"Remote-Party-ID: <sip:2125550111@h>;privacy=full"}, anonymous, "Privacy: id", false},
		{"anonymous by user", CallerID{}, CallerID{Anonymous: true}, true, []string{"Privacy: user"}, anonymous, "Privacy: id;user", false},
		{"anonymous, and the carrier knows who", CallerID{}, CallerID{Anonymous: true, Send: []Source{Asserted}}, true, []string{pai, "Privacy: id"}, anonymous, "Privacy: id\nP-Asserted-Identity: <sip:2125550100@us>", true},
	} {
		invite := call(c.headers...)
		if c.withoutHosts {
			invite.From().Address = sip.Uri{Scheme: "sip", User: "anonymous", Host: "anonymous.invalid"}
		}
		way := Way{
			From: transport.Dialer, To: transport.Carrier, Host: "us",
			Origin: NewRules(nil, nil, nil, false).WithCallerID(c.from), Rules: NewRules(nil, nil, nil, c.trust).WithCallerID(c.to),
		}
		from := way.FromOf(invite, "t")
		AtHost(from, "us")
		if got := from.Value(); got != c.fromWant {
			t.Errorf("%s: From: %s, want %s", c.name, got, c.fromWant)
		}
		if got := crossed(way.Cross(Setup, invite.Headers())); got != c.headersWant {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.headersWant)
		}
	}
}

// A dialer takes a From with a phone's extension for the phone.
func TestNoExtensionInFrom(t *testing.T) {
	known := (*Rules)(nil).WithCallerID(CallerID{Extensions: []*regexp.Regexp{regexp.MustCompile(`\A(?:1[0-9]{2}|cc1)\z`)}}).
		WithNumbers(Numbers{Out: Pair{Caller: &Rewriter{Format: Digits}}})
	registered := func(user string) bool { return user == "8001" }
	for _, c := range []struct {
		from, to   transport.Role
		user, want string
	}{
		{transport.Carrier, transport.Dialer, "101", "+101"},
		{transport.Carrier, transport.Dialer, "+101", "+101"}, // the dialer's own format comes first
		{transport.Carrier, transport.Dialer, "cc1", "+cc1"},
		{transport.Carrier, transport.Dialer, "8001", "+8001"},
		{transport.Dialer, transport.Dialer, "101", "+101"},
		{transport.Carrier, transport.Dialer, "12125550100", "12125550100"},
		{transport.Phone, transport.Dialer, "101", "101"}, // it is the phone
		{transport.Dialer, transport.Carrier, "101", "101"},
	} {
		invite := call()
		invite.From().Address.User = c.user
		way := Way{From: c.from, To: c.to, Rules: known, IsPhone: registered}
		if got := way.FromOf(invite, "t").Address.User; got != c.want {
			t.Errorf("%v to %v, %s: %s, want %s", c.from, c.to, c.user, got, c.want)
		}
	}
}

func TestTypeOfCode(t *testing.T) {
	for code, want := range map[string]CallType{
		"V1123201337000001234": Auto, "M1123201337000001234": Manual, "Y1123201337000001234": Inbound, "DC1123201337001234W": ThreeWay,
		"DCagcW1700000000agent1": ThreeWay, "S1123201337001234567": Login, "S112320133700123456": Other, "S1911232013370012345": Login,
		"ACagcW1700000000agent1": Recall, "BM1123201337001234": Monitor, "BB1123201337001234": Monitor, "BW1123201337001234": Monitor,
		"": Other, "Victor": Other, "V": Other, "V123": Other, "DC Comics 1234567890": Other, "Mary": Other, "BMW 1234567890123": Other,
		"V1123201337000001234 x": Other, "V" + strings.Repeat("1", 60): Other, "BWdepartment": Other,
	} {
		if got := TypeOfCode(code); got != want {
			t.Errorf("%q: %v, want %v", code, got, want)
		}
	}
	for _, c := range CallTypes() {
		if strings.HasPrefix(c.String(), "CallType") {
			t.Errorf("%d has no name", c)
		}
	}
}

// Whatever a dialer or a phone writes, and wherever it writes it: a carrier is
// never told the caller code.
func TestPropertyNoCarrierSeesTheCallerCode(t *testing.T) {
	names := []string{
		"X-CIDNAME", "X-campaignid", "P-Asserted-Identity", "Remote-Party-ID", "Diversion", "History-Info", "Reason", "User-to-User",
		"P-Early-Media", "Privacy", "Recv-Info", "Alert-Info", "Call-Info", "Subject", "Warning", "Content-Type", "Retry-After", "Accept", "Event",
	}
	shapes := []string{"%s", "x%sy", `"%s" <sip:1@h>`, "<sip:%s@h>;x=%s", "1;purpose=%s", `Q.850;cause=16;text="%s"`, "tel:%s"}
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.StringMatching(`V[0-9]{19}|M[0-9]{19}|Y[0-9]{19}|S[0-9]{19}|ACagcW[0-9]{10}[a-z]{3}|DC[0-9]{12}W|BM[0-9]{15}`).Draw(t, "code")
		invite := call()
		invite.From().DisplayName = code
		if rapid.Bool().Draw(t, "user too") {
			invite.From().Address.User = code
		}
		for range rapid.IntRange(1, 6).Draw(t, "headers") {
			value := strings.ReplaceAll(rapid.SampledFrom(shapes).Draw(t, "shape"), "%s", code)
			invite.AppendHeader(sip.NewHeader(rapid.SampledFrom(names).Draw(t, "name"), value))
		}
		sources := rapid.SliceOfN(rapid.SampledFrom([]Source{From, Asserted, RemoteParty}), 0, 3)
		way := Way{
			From: rapid.SampledFrom([]transport.Role{transport.Dialer, transport.Phone}).Draw(t, "from"), To: transport.Carrier, Host: "h",
			Origin: (*Rules)(nil).WithCallerID(CallerID{Sources: sources.Draw(t, "sources")}),
			Rules: NewRules([]string{"X-*", "Subject", "Warning", "Call-Info", "Alert-Info"}, nil, nil, rapid.Bool().Draw(t, "trust")).
				WithCallerID(CallerID{Send: sources.Draw(t, "send"), Anonymous: rapid.Bool().Draw(t, "anonymous")}),
		}
		told := way.FromOf(invite, "t").Value()
		for _, kind := range []Kind{Setup, Change, Ending, Answer, Message, Reply} {
			told += "\n" + crossed(way.Cross(kind, invite.Headers()))
		}
		if strings.Contains(told, code) {
			t.Fatalf("%s is in\n%s", code, told)
		}
	})
}
