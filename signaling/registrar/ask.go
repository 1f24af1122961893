package registrar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/transport"
)

// Ask is a REGISTER as a phone sent it.
type Ask struct {
	User string  // of the AOR
	AOR  sip.Uri // as the phone wrote it in To
	// Contact is the one that is registered or removed; nil where the phone only
	// asks what is there, or removes All.
	Contact *sip.ContactHeader
	Remove  bool
	All     bool          // Contact: *
	Expiry  time.Duration // that the phone wants; 0 where it removes
	// Outbound: the phone keeps its flow and asks for RFC 5626.
	Outbound bool
	Path     []sip.Uri // RFC 3327: what stands between the phone and us, next to us first
	identity string    // of the phone among those of its AOR
	others   []string  // the tokens of more of them, to be removed
}

// Fault is why a REGISTER cannot be done, as an answer to it.
type Fault struct {
	Code   int
	Phrase string
	Cause  string // label of the counter
}

func (f *Fault) Error() string { return fmt.Sprintf("%d %s", f.Code, f.Phrase) }

// defaultExpiry is what a REGISTER without Expires asks for (RFC 3261 section
// 10.2).
const defaultExpiry = time.Hour

// maxContacts bounds the contacts in one REGISTER.
const maxContacts = 8

// Read takes a REGISTER apart. The error is a *Fault.
func Read(req *sip.Request, f *transport.Flow) (*Ask, error) {
	to, from := req.To().Address, req.From().Address
	switch {
	case !IsUser(to.User):
		return nil, &Fault{400, "SBC needs a plain user in To", "aor"}
	case from.User != to.User: // RFC 3261 section 10.2 knows third parties; no phone is one
		return nil, &Fault{403, "SBC registers From only", "third_party"}
	}
	a := &Ask{User: to.User, AOR: to, Expiry: defaultExpiry}
	a.AOR.Headers, a.AOR.Password = nil, ""
	if h := req.GetHeader("expires"); h != nil {
		if d, ok := seconds(h.Value()); ok {
			a.Expiry = d
		}
	}
	others, err := a.contacts(req, a.Expiry)
	if err != nil {
		return nil, err
	}
	if a.Contact == nil {
		return a, nil
	}
	for _, h := range req.GetHeaders("path") {
		uris, ok := uriList(h.Value())
		if !ok || len(a.Path)+len(uris) > maxContacts {
			return nil, &Fault{400, "Path is no list of URIs", "path"}
		}
		a.Path = append(a.Path, uris...)
	}
	a.identity = identity(a.Contact, f.Proto())
	for _, c := range others {
		if id := token(a.User, identity(c, f.Proto())); id != token(a.User, a.identity) && !slices.Contains(a.others, id) {
			a.others = append(a.others, id)
		}
	}
	_, hasID := a.Contact.Params.Get("reg-id")
	a.Outbound = hasID && instance(a.Contact) != "" && f.Proto().Stream() && lists(req, "outbound")
	return a, nil
}

// contacts reads the Contact headers: one that is registered, or removed; with
// it others may be removed, which are given back.
func (a *Ask) contacts(req *sip.Request, expiry time.Duration) (others []*sip.ContactHeader, err error) {
	wrong := &Fault{400, "SBC takes one Contact", "contact"}
	headers := req.GetHeaders("contact")
	if len(headers) > maxContacts {
		return nil, wrong
	}
	for _, h := range headers {
		c, ok := h.(*sip.ContactHeader)
		switch {
		case !ok:
			return nil, wrong
		case c.Address.Wildcard:
			if len(headers) > 1 || expiry != 0 { // RFC 3261 section 10.2.2
				return nil, &Fault{400, "Contact with a star only removes all", "contact"}
			}
			a.All, a.Remove = true, true
			return nil, nil
		case c.Address.Host == "" || c.Address.Scheme != "sip" && c.Address.Scheme != "sips":
			return nil, wrong
		}
		own := expiry
		if text, has := c.Params.Get("expires"); has {
			if d, ok := seconds(text); ok {
				own = d
			}
		}
		switch {
		case own == 0:
			others = append(others, c)
		case a.Contact != nil:
			return nil, wrong
		default:
			a.Contact, a.Expiry = c, own
		}
	}
	if a.Contact == nil && len(others) > 0 {
		a.Contact, others = others[0], others[1:]
		a.Remove, a.Expiry = true, 0
	}
	return others, nil
}

// seconds reads a delta-seconds.
func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	return time.Duration(n) * time.Second, err == nil
}

// identity tells the phones of an AOR apart: by instance and flow number (RFC
// 5626), which outlive a connection; else by the user and machine in Contact,
// with its port only where that is a port that the phone listens at.
func identity(c *sip.ContactHeader, proto transport.Proto) string {
	if id := instance(c); id != "" {
		return "instance " + id + " " + c.Params.GetOr("reg-id", "")
	}
	at := c.Address.Host
	if !proto.Stream() {
		at += ":" + strconv.Itoa(c.Address.Port)
	}
	return "contact " + c.Address.User + "@" + strings.ToLower(at)
}

func instance(c *sip.ContactHeader) string {
	for _, p := range c.Params {
		if strings.EqualFold(p.K, "+sip.instance") {
			return p.V
		}
	}
	return ""
}

// lists tells whether a phone says that it knows an extension, or insists on it.
func lists(req *sip.Request, tag string) bool {
	for _, name := range []string{"supported", "require"} {
		for _, h := range req.GetHeaders(name) {
			for one := range strings.SplitSeq(h.Value(), ",") {
				if strings.EqualFold(strings.TrimSpace(one), tag) {
					return true
				}
			}
		}
	}
	return false
}

// IsUser keeps AORs to what any PBX has as the name of an account.
func IsUser(user string) bool {
	return user != "" && len(user) <= 64 && strings.Trim(strings.ToLower(user), "abcdefghijklmnopqrstuvwxyz0123456789-_.+") == ""
}

// uriList reads a list of name-addrs like that of Path or Route.
func uriList(text string) ([]sip.Uri, bool) {
	var uris []sip.Uri
	for _, one := range strings.Split(text, ",") {
		one = strings.TrimSpace(one)
		inside, ok := strings.CutPrefix(one, "<")
		inside, rest, closed := strings.Cut(inside, ">")
		var u sip.Uri
		if !ok || !closed || rest != "" && rest[0] != ';' || sip.ParseUri(inside, &u) != nil || u.Host == "" {
			return nil, false
		}
		uris = append(uris, u)
	}
	return slices.Clip(uris), true
}
