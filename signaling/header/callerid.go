package header

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// Source is a header that names the caller.
type Source uint8

// The headers that name the caller.
const (
	From        Source = iota + 1
	Asserted           // P-Asserted-Identity (RFC 3325)
	RemoteParty        // Remote-Party-ID, as old PBXs have it
)

// String is the name that ParseSource takes.
func (s Source) String() string {
	switch s {
	case From:
		return "from"
	case Asserted:
		return "pai"
	case RemoteParty:
		return "rpid"
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// ParseSource takes "from", "pai" or "rpid".
func ParseSource(name string) (Source, error) {
	for s := From; s <= RemoteParty; s++ {
		if name == s.String() {
			return s, nil
		}
	}
	return 0, fmt.Errorf("header: unknown source of a caller's number %q", name)
}

func (s Source) header() string {
	switch s {
	case From:
		return "from"
	case Asserted:
		return "p-asserted-identity"
	case RemoteParty:
		return "remote-party-id"
	}
	return ""
}

// CallerID is what a trunk's administrator says of who calls.
type CallerID struct {
	// Sources are where the number of a caller from this trunk stands: the first
	// one that has a number. Empty: From.
	Sources []Source
	// Send are the headers beside From that name the caller to this trunk, made
	// anew. Nil: those that came.
	Send []Source
	// Anonymous hides a caller who withholds its number, in whatever way, in From
	// too, and asks the trunk for privacy (RFC 3323 section 4.1.1.3).
	Anonymous bool
	// Extensions are the users that From may not have toward this trunk: it would
	// take the call for a phone's own.
	Extensions []*regexp.Regexp
}

// WithCallerID are the rules with those of who calls too; r may be nil.
func (r *Rules) WithCallerID(id CallerID) *Rules {
	all := Rules{}
	if r != nil {
		all = *r
	}
	all.callerID = id
	return &all
}

// caller is who calls, as a leg may be told.
type caller struct {
	number   string // as it came; "" or anonymous where there is none
	asserted string // what P-Asserted-Identity and Remote-Party-ID may say of it
	withheld bool   // the caller does not want its number shown
}

// callerOf reads who calls. A number that is withheld is never put into From
// from another header, whoever is called: From is what people see.
func (w Way) callerOf(headers []sip.Header) caller {
	from := userOf(headers, From)
	c := caller{number: from, withheld: w.withholds(headers)}
	sources := []Source{From}
	if w.Origin != nil && len(w.Origin.callerID.Sources) > 0 {
		sources = w.Origin.callerID.Sources
	}
	for _, s := range append(sources[:len(sources):len(sources)], Asserted, RemoteParty) {
		if c.asserted = userOf(headers, s); hasNumber(c.asserted) {
			break
		}
	}
	if c.withheld {
		return c
	}
	for _, s := range sources {
		if n := userOf(headers, s); hasNumber(n) {
			c.number = n
			break
		}
	}
	return c
}

// withholds tells whether a caller wants its number hidden, whoever is called.
func (w Way) withholds(headers []sip.Header) bool {
	all := secrets{guard: true}
	for _, h := range headers {
		switch strings.ToLower(h.Name()) {
		case "from":
			if f, ok := h.(*sip.FromHeader); ok && strings.EqualFold(f.Address.Host, anonymousHost) {
				return true
			}
		case "privacy":
			for _, wish := range wishesIn(h.Value()) {
				if wish == "id" || wish == "user" {
					return true
				}
			}
		case "remote-party-id":
			if _, params, ok := nameAddr(splitList(h.Value())[0]); ok && all.party(params) {
				return true
			}
		}
	}
	return false
}

// userOf is the user part of the first URI that a header names, or "".
func userOf(headers []sip.Header, s Source) string {
	for _, h := range headers {
		if !strings.EqualFold(h.Name(), s.header()) {
			continue
		}
		if f, ok := h.(*sip.FromHeader); ok {
			return Number(f.Address)
		}
		for _, one := range splitList(Clean(h.Value())) {
			text, _, _ := nameAddr(one)
			var uri sip.Uri
			if sip.ParseUri(text, &uri) == nil && isUser(Number(uri)) && Number(uri) != "" {
				return Number(uri)
			}
		}
	}
	return ""
}

// hasNumber tells the user of a caller who is known.
func hasNumber(user string) bool {
	return user != "" && !strings.EqualFold(user, anonymousUser) && !strings.EqualFold(user, "unknown")
}

// fromUser is the user of the From that the leg sees.
func (w Way) fromUser(c caller, headers []sip.Header) string {
	user := w.tellable(c.number, headers)
	if w.To == transport.Dialer && w.From != transport.Phone && w.isExtension(user) {
		// VICIdial's extensions have no plus, and its agents' screens and lists
		// leave it out of numbers.
		user = "+" + user
	}
	return user
}

// tellable is the user of a caller as the leg is told: its number written anew,
// but for one that is signed, and no caller code.
func (w Way) tellable(user string, headers []sip.Header) string {
	if !w.signed(headers) {
		user = w.callerNumber(user)
	}
	if code := codeIn(headers); w.hidesCode() && code != "" && strings.Contains(user, code) {
		return anonymousUser
	}
	return user
}

// isExtension tells whether a dialer takes a From with this user for one of its
// phones': chan_sip looks at it before it looks at the address.
func (w Way) isExtension(user string) bool {
	if w.Rules != nil && matchesAny(w.Rules.callerID.Extensions, user) {
		return true
	}
	return w.IsPhone != nil && user != "" && w.IsPhone(user)
}

func matchesAny(patterns []*regexp.Regexp, user string) bool {
	return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(user) })
}

// anonymises tells whether the leg is shown no number, since the trunk wants it
// so.
func (w Way) anonymises(c caller) bool {
	return c.withheld && w.Rules != nil && w.Rules.callerID.Anonymous
}

// makes tells whether a header that names the caller is made here, or left out,
// instead of crossing.
func (w Way) makes(k Kind, name string) bool {
	if k&Setup == 0 || w.To != transport.Carrier || w.Rules == nil || w.Rules.callerID.Send == nil {
		return false
	}
	return strings.EqualFold(name, Asserted.header()) || strings.EqualFold(name, RemoteParty.header())
}

// made are the headers that name the caller and are made here.
func (w Way) made(k Kind, headers []sip.Header, withheld secrets) []sip.Header {
	if w.Rules == nil || k&Setup == 0 || w.To != transport.Carrier {
		return nil
	}
	var out []sip.Header
	c := w.callerOf(headers)
	secret := c.withheld && withheld.guard
	for _, s := range w.Rules.callerID.Send {
		if secret || !hasNumber(c.asserted) || !w.makes(k, s.header()) {
			continue
		}
		number := w.tellable(c.asserted, headers)
		uri := w.partyURI("sip:" + number + "@x")
		if uri == "" || number == anonymousUser {
			continue
		}
		value := "<" + uri + ">"
		if name := w.display(headers); name != "" {
			value = `"` + name + `" ` + value
		}
		if s == Asserted {
			out = append(out, sip.NewHeader("P-Asserted-Identity", value))
			continue
		}
		privacy := "off"
		if c.withheld {
			privacy = "full"
		}
		out = append(out, sip.NewHeader("Remote-Party-ID", value+";party=calling;screen=no;privacy="+privacy))
	}
	return out
}
