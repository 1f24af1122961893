package header

import "callseal/signaling/transport"

// Kind says in which messages a header is looked at; kinds are combined by or.
type Kind uint8

// The kinds of messages. A MESSAGE or NOTIFY outside of a dialog is
// Setup|Message.
const (
	Setup   Kind = 1 << iota // the INVITE that sets a call up
	Change                   // re-INVITE, UPDATE, PRACK and ACK
	Ending                   // CANCEL, BYE
	Answer                   // responses to those of the kinds above
	Message                  // INFO, MESSAGE, NOTIFY, OPTIONS
	Reply                    // responses to Message
	kinds   = iota
)

// every message.
const every = Setup | Change | Ending | Answer | Message | Reply

// String names the kinds for people: "INVITE, answers".
func (k Kind) String() string {
	if k == every {
		return "all"
	}
	names := [kinds]string{"INVITE", "re-INVITE", "BYE and CANCEL", "answers", "INFO and the like", "their answers"}
	text := ""
	for i, name := range names {
		if k&(1<<i) == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += name
	}
	return text
}

// how a header's value crosses.
type how uint8

const (
	passes how = iota // URIs get our host, other addresses are taken out, the rest stays
	exact             // byte for byte
	q850              // as passes, with Q.850 before other reasons
	party             // as passes, but only the URI and what is known of its parameters
	named             // as party, with the display name of the From that this leg sees
	wish              // Privacy, without what we have done already (RFC 3323 section 5)
)

// String is how docs/headers.md writes it.
func (h how) String() string {
	switch h {
	case passes:
		return "as it is"
	case exact:
		return "byte for byte"
	case q850:
		return "Q.850 first"
	case party:
		return "URI only"
	case named:
		return "URI and name"
	case wish:
		return "what is left"
	}
	return "unknown"
}

// told says whether a header is told to a leg.
type told uint8

const (
	no    told = iota // not unless the trunk's headers.pass names it
	yes               // unless the trunk's headers.strip names it
	never             // whatever the configuration says
)

// String is how docs/headers.md writes it.
func (t told) String() string {
	switch t {
	case no:
		return "-"
	case yes:
		return "yes"
	case never:
		return "never"
	}
	return "unknown"
}

// roles is a set of roles.
type roles uint8

const (
	phones   = roles(1 << transport.Phone)
	dialers  = roles(1 << transport.Dialer)
	carriers = roles(1 << transport.Carrier)
	anybody  = phones | dialers | carriers
)

func (r roles) has(role transport.Role) bool { return r&(1<<role) != 0 }

func (r roles) String() string {
	text := ""
	for _, role := range transport.Roles() {
		switch {
		case r == anybody:
			return "anybody"
		case !r.has(role):
			continue
		case text != "":
			text += ", "
		}
		text += role.String()
	}
	return text
}

// row is what becomes of one header.
type row struct {
	name                   string // as RFCs write it; a * at its end stands for anything
	how                    how
	in                     Kind  // in other messages it stays on its leg
	from                   roles // from others it stays too
	dialer, carrier, phone told  // by the role of the leg that it would go to
	why                    string
}

// table is every header that crosses the B2BUA, and how. The first row that
// fits counts; what is in no row stays on its own leg unless headers.pass
// names it. docs/headers.md is made from it.
var table = []row{
	// Who calls. From itself is made in from.go.
	{"P-Asserted-Identity", named, Setup, dialers | carriers, never, yes, no,
		"RFC 3325. Toward a dialer it would overwrite the name that VICIdial keys the call by."},
	{"Remote-Party-ID", named, Setup, dialers | carriers, never, yes, no, "As P-Asserted-Identity. Its own privacy is obeyed too."},
	{"Privacy", wish, Setup | Message, anybody, yes, yes, no, "RFC 3323. Obeyed here, see below."},
	{"Diversion", party, Setup, dialers | carriers, no, yes, no, "RFC 5806. Its own privacy is obeyed too."},
	{"History-Info", party, Setup, dialers | carriers, no, yes, no, "RFC 7044."},
	{"Identity", exact, Setup, anybody, yes, yes, no, "RFC 8224. The numbers in From and To stay as they are."},
	{"Date", exact, Setup | Message, anybody, yes, yes, yes, "The signature in Identity covers it."},
	// The call.
	{"Reason", q850, Setup | Change | Ending | Answer, anybody, yes, yes, yes, "RFC 3326. PJSIP reads the first 20 bytes only."},
	{"Retry-After", passes, Answer | Reply, anybody, yes, yes, yes, ""},
	{"User-to-User", passes, Setup | Change | Ending | Answer, anybody, yes, yes, yes, "RFC 7433."},
	{"P-Early-Media", passes, Setup | Change | Answer, anybody, yes, yes, yes, "RFC 5009."},
	{"Alert-Info", passes, Setup | Change | Answer, anybody, no, no, yes, "Ring tone and auto answer. A URL whose host is one word, like http://Bellcore-dr1, stays as it is."},
	{"Call-Info", passes, Setup | Change | Answer, anybody, no, no, yes, "Auto answer (;answer-after=0)."},
	{"Recv-Info", passes, Setup | Change | Answer, anybody, yes, yes, yes, "RFC 6086. INFO of every package is relayed."},
	// What belongs to a body that is relayed; in other messages it is made here.
	{"Content-Type", passes, Message | Reply, anybody, yes, yes, yes, ""},
	{"Content-Disposition", passes, Message | Reply, anybody, yes, yes, yes, ""},
	{"Content-Encoding", passes, Message | Reply, anybody, yes, yes, yes, ""},
	{"Content-Language", passes, Message | Reply, anybody, yes, yes, yes, ""},
	{"MIME-Version", passes, Message | Reply, anybody, yes, yes, yes, ""},
	{"Accept", passes, Message | Reply, anybody, yes, yes, yes, ""},
	{"Info-Package", passes, Message, anybody, yes, yes, yes, "RFC 6086."},
	{"Event", passes, Message, anybody, yes, yes, yes, "RFC 6665."},
	{"Subscription-State", passes, Message, anybody, yes, yes, yes, "RFC 6665."},
	{"Allow-Events", passes, Message | Reply, anybody, yes, yes, yes, "RFC 6665."},
	{"Expires", passes, Message | Reply, anybody, yes, yes, yes, "Of a subscription, or of the use of a MESSAGE."},
	{"Min-Expires", passes, Reply, anybody, yes, yes, yes, "RFC 6665."},
	// Headers without a standard.
	{"X-CIDNAME", passes, Setup, phones | dialers, yes, never, no, "Becomes the name in From toward carriers, in the place of VICIdial's caller code."},
	{"X-SBC-Carrier", passes, every, anybody, never, never, never, "An instruction to callseal."},
	{"X-*", passes, every, phones | dialers, yes, no, yes, ""},
	{"X-*", passes, every, carriers, no, no, no, "Those of carriers name their machines."},
}

// owned are the headers that callseal makes for each leg by itself. No
// configuration passes, sets or strips them.
var owned = []string{
	"Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "Route", "Record-Route",
	"Content-Length", "Content-Type", "Content-Disposition", "Content-Encoding", "Content-Language", "MIME-Version",
	"Allow", "Accept", "Supported", "Require", "Proxy-Require", "Unsupported", "User-Agent", "Server",
	"Session-Expires", "Min-SE", "RSeq", "RAck", "Replaces", "Refer-To", "Referred-By", "Target-Dialog",
	"Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info",
	"Path", "Service-Route", "Timestamp",
}
