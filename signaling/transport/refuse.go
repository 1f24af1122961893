package transport

import (
	"hash/maphash"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// refusal answers are stateless (RFC 3261 section 8.2.7): they are built from the message's own lines, whatever can be read of them, and a
// repeated request gets the same answer again.

// refuse writes the answer to a bad request, or nil when none may or can be sent: for a response, an ACK, or a request without Via.
func refuse(m *message, f *fault, source netip.AddrPort, server string) []byte {
	if m.isResponse() || m.method() == sip.ACK || !looksLikeSIP(m.start) {
		return nil
	}
	if _, ok := m.first("Via"); !ok {
		return nil
	}
	var b strings.Builder
	b.Grow(512)
	b.WriteString("SIP/2.0 " + strconv.Itoa(f.status) + " " + f.phrase + "\r\n")
	top := true
	for _, h := range m.fields {
		if h.name == "Via" {
			if value := h.value; top && m.topVia() != nil {
				stampVia(m.topVia(), source)
				writeLine(&b, "Via", m.topVia().Value())
			} else {
				writeLine(&b, "Via", value)
			}
			top = false
		}
	}
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		value, ok := m.first(name)
		if !ok {
			continue
		}
		if name == "To" {
			value = tagged(value, m)
		}
		writeLine(&b, name, value)
	}
	if server != "" {
		writeLine(&b, "Server", server)
	}
	if f.retryAfter > 0 {
		writeLine(&b, "Retry-After", strconv.Itoa(int(f.retryAfter.Seconds())))
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return []byte(b.String())
}

func writeLine(b *strings.Builder, name, value string) {
	for _, s := range [...]string{name, ": ", value, "\r\n"} {
		b.WriteString(s)
	}
}

// tagged adds our tag to a To that has none (RFC 3261 section 8.2.6.2); a To that cannot be read stays as it is.
func tagged(to string, m *message) string {
	a, err := parseNameAddr(to)
	if err != nil || a.params.Has("tag") {
		return to
	}
	callID, _ := m.first("Call-ID")
	from, _ := m.first("From")
	return to + ";tag=" + statelessTag(callID, from)
}

var tagSeed = maphash.MakeSeed()

// statelessTag gives the same tag for the same request, so that repetitions of a stateless answer agree (RFC 3261 section 8.2.7).
func statelessTag(callID, from string) string {
	return strconv.FormatUint(maphash.String(tagSeed, callID+"\n"+from), 36)
}

// stampVia notes where a request came from in its top Via: received when the sent-by differs (RFC 3261 section 18.2.1) or rport was asked
// for (RFC 3581 section 4).
func stampVia(via *sip.ViaHeader, source netip.AddrPort) {
	addr := source.Addr().Unmap()
	rport := via.Params.Has("rport")
	if sentBy, err := netip.ParseAddr(via.Host); err != nil || sentBy.Unmap() != addr || rport {
		via.Params.Add("received", addr.WithZone("").String())
	}
	if rport {
		via.Params.Add("rport", strconv.Itoa(int(source.Port())))
	}
}

// replyTo is where the answer to a request goes over UDP: its source when rport was asked for (RFC 3581 section 4), else the sent-by port at
// the source's address (RFC 3261 section 18.2.2). maddr is not obeyed: it would let anyone aim our answers at others.
func replyTo(via *sip.ViaHeader, source netip.AddrPort) netip.AddrPort {
	if via == nil || via.Params.Has("rport") {
		return source
	}
	port := via.Port
	if port == 0 {
		port = int(UDP.DefaultPort())
	}
	return netip.AddrPortFrom(source.Addr(), uint16(port))
}

// replyToMessage is replyTo for a message whose Via may be unreadable: then the answer goes back to the source.
func replyToMessage(m *message, source netip.AddrPort) netip.AddrPort {
	if via := m.topVia(); via != nil {
		return replyTo(via, source)
	}
	return source
}
