package transport

import (
	"bytes"
	"crypto/tls"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// torture is one row of testdata/torture/index.tsv: a message of RFC 4475 or RFC 5118 and what may come of it.
type torture struct {
	file       string
	expected   []string
	transports string
	raw        []byte
}

func tortures(t testing.TB) []torture {
	t.Helper()
	f, err := os.Open("testdata/torture/index.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	var rows []torture
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join("testdata/torture", row[0]))
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, torture{row[0], append(strings.Split(row[2], ","), strings.Split(row[3], ",")...), row[4], raw})
	}
}

// TestTorture sends every message over every transport; after each the endpoint must still answer.
func TestTorture(t *testing.T) {
	ca := newAuthority(t)
	b := start(t, Config{
		Handler: &recorder{request: answerPlausibly},
		Listeners: []Listener{at(UDP, Dialer, "udp", nil), at(TCP, Dialer, "tcp", nil),
			at(TLS, Dialer, "tls", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, names{dns: []string{"us.example"}})}})},
	})
	clients := map[string]*tls.Config{"tls": {RootCAs: ca.pool, ServerName: "us.example"}}
	for _, row := range tortures(t) {
		for _, proto := range strings.Split(row.transports, ",") {
			t.Run(row.file+"/"+proto, func(t *testing.T) {
				status := fire(t, b, proto, clients[proto], row)
				for _, want := range row.expected {
					if outcome(want, status) {
						return
					}
				}
				t.Errorf("got %d, want one of %v", status, row.expected)
			})
		}
	}
	if n := b.count(t, "callseal_sip_panics_total"); n != 0 {
		t.Errorf("%v panics", n)
	}
}

// answerPlausibly does what the transport leaves to its user.
func answerPlausibly(tx *ServerTx) {
	r := tx.Request()
	status := 200
	switch {
	case r.Recipient.Scheme != "sip" && r.Recipient.Scheme != "sips":
		status = 416
	case r.GetHeader("require") != nil:
		status = 420
	case r.IsInvite() && r.ContentType() != nil && r.ContentType().Value() != "application/sdp":
		status = 415
	case r.MaxForwards() != nil && r.MaxForwards().Val() == 0:
		status = 483
	case r.Method == sip.BYE, r.To().Params.Has("tag"):
		status = 481
	case r.IsInvite():
		status = 404
	case r.Method != sip.OPTIONS && r.Method != sip.REGISTER:
		status = 501
	}
	_ = tx.Respond(sip.NewResponseFromRequest(r, status, "Outcome", nil))
}

// outcome judges a status, 0 for no answer, by one word of the index.
func outcome(want string, status int) bool {
	switch want {
	case "ok":
		return status != 0 && status != 400 && status != 500 && status != 505 && status != 513
	case "drop":
		return status == 0
	default:
		return fmt.Sprint(status) == want
	}
}

// answerWait is how long a message may stay unanswered before it counts as dropped. Messages that may not be dropped end the wait earlier.
const answerWait = 150 * time.Millisecond

var (
	callID    = regexp.MustCompile(`(?im)^((?:call-id|i)[ \t]*:[ \t]*[^\s]+)`)
	branch    = regexp.MustCompile(`(branch=z9hG4bK[^\s;,]+)`)
	viaProto  = regexp.MustCompile(`(?im)^((?:via|v)[ \t]*:\s*SIP\s*/\s*2\.0\s*/\s*)[A-Za-z]+`)
	topSentBy = regexp.MustCompile(`(?im)^(?:via|v)[ \t]*:\s*SIP\s*/\s*2\.0\s*/\s*[A-Za-z]+\s+(?:\[[^\]]*\]|[^\s:;,]+)(?::(\d+))?`)
)

// fire sends one message and gives the status of the last answer. Over UDP it asks for rport, or the answer would go to the Via's port.
func fire(t *testing.T, b *bench, proto string, config *tls.Config, row torture) int {
	t.Helper()
	raw := callID.ReplaceAll(row.raw, []byte("${1}."+proto)) // or the three transports' transactions would meet
	raw = branch.ReplaceAll(raw, []byte("${1}."+proto+strconv.FormatUint(maphash.String(tagSeed, row.file), 36)))
	if proto != "udp" {
		raw = viaProto.ReplaceAll(raw, []byte("${1}"+strings.ToUpper(proto)))
	}
	c := dialCaller(t, b, proto, config)
	if proto == "udp" {
		_ = c.Close()
		c = fromViaPort(t, b, raw)
	}
	if _, err := c.Write(raw); err != nil {
		t.Fatal(err)
	}
	status := 0
	for {
		h, err := c.listen(answerWait)
		if err != nil {
			break
		}
		if id := callID.FindSubmatch(raw); id != nil && !strings.HasSuffix(string(id[1]), h.Get("Call-ID")) {
			continue // a repeated answer to an earlier message: nobody sends ACKs here
		}
		if status = h.status(); status >= 200 {
			break
		}
	}
	alive := dialCaller(t, b, proto, config)
	alive.say(t, text("OPTIONS", mustProto(proto), "alive-"+proto+row.file, "z9hG4bKalive"+proto+row.file, 1, "", ""))
	if h := alive.hear(t); h.status() != 200 {
		t.Fatalf("afterwards OPTIONS got %s", h.start)
	}
	return status
}

// fromViaPort makes a UDP socket at the port to which the answer will come (RFC 3261 section 18.2.2).
func fromViaPort(t *testing.T, b *bench, raw []byte) *caller {
	t.Helper()
	port := 5060
	if m := topSentBy.FindSubmatch(bytes.ReplaceAll(raw, []byte("\r\n "), []byte(" "))); m != nil && len(m[1]) > 0 {
		if _, err := fmt.Sscan(string(m[1]), &port); err != nil {
			t.Fatal(err)
		}
	}
	var u *net.UDPConn
	var err error
	for range 20 { // the port is the message's; others who run these tests have it at other addresses
		local := &net.UDPAddr{IP: net.IPv4(127, 0, 99, byte(1+rand.IntN(254))), Port: port} //nolint:gosec // any will do
		if u, err = net.DialUDP("udp4", local, net.UDPAddrFromAddrPort(b.Addr("udp"))); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	return newCaller(u)
}

func mustProto(name string) Proto {
	p, err := ParseProto(name)
	if err != nil {
		panic(err)
	}
	return p
}
