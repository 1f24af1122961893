package header

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/headers.md anew")

const intro = `# Headers

What of a message on one leg is told to the other. This page is made from ` + "`signaling/header/table.go`" + `; ` + "`TestHeadersPage`" + ` holds the
two together.

- The first row that fits a header's name, its message and the role that it comes from counts. What is in no row stays on its leg.
- Columns dialer, carrier and phone: whether a leg of that role is told it. ` + "`-`" + ` can be changed by ` + "`headers.pass`" + ` of the trunk that is
  called, ` + "`yes`" + ` by its ` + "`headers.strip`" + `, never by nothing. ` + "`headers.set`" + ` adds to the INVITE of a call. X-NAME* stands for all that begin so.
- Whatever crosses, its URIs get callseal's own host, other addresses in it are taken out, and control characters become spaces; but for
  what crosses byte for byte.
- From has the caller's number and, toward dialers and phones, the caller's name as it came: VICIdial keys its calls by it. A carrier is
  never told a dialer's or a phone's name; X-CIDNAME stands in its place, or nothing. anonymous@anonymous.invalid stays as it is.
- The caller code is taken out of all else that a carrier is told, too. From a number that a phone of the dialer has (it has registered here, or ` + "`phones`" + ` or
  ` + "`caller_id.extensions`" + ` name it) reaches a dialer with a + before it, unless a phone calls: chan_sip would take the call for the phone's.
- ` + "`numbers`" + ` of the trunk that a call comes from (in), then of the one that it goes to (out), write the number called in request-URI and To, and
  the caller's in From, P-Asserted-Identity, Remote-Party-ID, Diversion and History-Info, whose entry for the number called becomes the one in the request-URI.
  By default a dialer gets them without +. Where Identity crosses, only the request-URI is written anew.
- Diversion and History-Info of a dialer reach a carrier without parties of the house: a user that is no telephone number, has less than seven
  digits, or is the extension of a phone of the dialer (as above), and that ` + "`numbers`" + ` make no other of. ` + "`headers.pass`" + ` of the carrier shows them all the same.
- ` + "`caller_id.source`" + ` says which header of a trunk names its callers, ` + "`send`" + ` which ones are made anew for a carrier, and ` + "`anonymous`" + ` that
  who withholds its number is hidden in From too.
- Privacy (RFC 3323, RFC 3325) is obeyed toward carriers without ` + "`trusted: true`" + `, and toward phones where a carrier calls: ` + "`id`" + ` takes
  P-Asserted-Identity, Remote-Party-ID and Identity out; ` + "`user`" + ` these and the number and name in From; ` + "`header`, `session` and `history`" + `
  Diversion and History-Info; ` + "`none`" + ` nothing.
- Max-Forwards goes on counting. A reason phrase has at most 50 characters of A-Z, a-z, 0-9, space, dot and underscore, and no address.
- Bodies of INFO, MESSAGE and NOTIFY pass as they are; session descriptions are written anew.

| header | crosses | in | from | dialer | carrier | phone | |
|---|---|---|---|---|---|---|---|
`

const outro = `
callseal makes these for each leg by itself; no configuration changes them, and outside of the rows above they never cross:
`

func TestHeadersPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(intro)
	for _, r := range table {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", r.name, r.how, r.in, r.from, r.dialer, r.carrier, r.phone, r.why)
	}
	b.WriteString(outro + strings.Join(owned, ", ") + ".\n")
	page := filepath.Join("..", "..", "docs", "headers.md")
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s is out of date: go test ./signaling/header -run TestHeadersPage -update", page)
	}
}

// A row that no other can hide, and columns that say what they do.
func TestTable(t *testing.T) {
	for i, r := range table {
		for _, earlier := range table[:i] {
			if earlier.name == r.name && earlier.in&r.in != 0 && earlier.from&r.from != 0 {
				t.Errorf("%s: the row of %v hides that of %v", r.name, earlier.from, r.from)
			}
		}
		if r.in == 0 || r.in > every || r.from == 0 || r.from > anybody {
			t.Errorf("%s never fits", r.name)
		}
	}
	for text, enum := range map[string]fmt.Stringer{
		"unknown": wish + 1, "as it is": passes, "-": no, "INVITE, answers": Setup | Answer, "all": every, "phone, carrier": phones | carriers,
	} {
		if enum.String() != text {
			t.Errorf("%q, want %q", enum, text)
		}
	}
}
