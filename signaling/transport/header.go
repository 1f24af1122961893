package transport

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// strictParsers replace sipgo's tolerant ones for the headers that this program acts on: a value that passes here is well-formed, and every
// error is a *fault. The lists are split already, so each sees one value.
var strictParsers = map[string]sip.HeaderParser{
	"via":            one(badVia, "Bad Via", parseVia),
	"from":           one(badFrom, "Bad From", parseFrom),
	"to":             one(badTo, "Bad To", parseTo),
	"contact":        one(badContact, "Bad Contact", parseContact),
	"route":          one(badRoute, "Bad Route", parseRoute),
	"record-route":   one(badRoute, "Bad Record Route", parseRecordRoute),
	"call-id":        one(badCallID, "Bad Call ID", parseCallID),
	"cseq":           one(badCSeq, "Bad CSeq", parseCSeq),
	"max-forwards":   one(badMaxForwards, "Bad Max Forwards", parseMaxForwards),
	"content-length": one(badContentLength, "Bad Content Length", parseContentLength),
	"content-type":   one(badHeader, "Bad Content Type", parseContentType),
}

// one makes a sipgo header parser that blames cause.
func one(cause refusal, phrase string, parse func(string) (sip.Header, bool)) sip.HeaderParser {
	wrong := bad(cause, phrase)
	return func(_ []byte, value string) (sip.Header, error) {
		h, ok := parse(value)
		if !ok {
			return nil, wrong
		}
		return h, nil
	}
}

// parseVia reads one via-parm (RFC 3261 sections 20.42 and 25.1). White space may stand around slashes, colon, semicolons and equal signs.
func parseVia(s string) (sip.Header, bool) {
	name, rest, ok1 := strings.Cut(s, "/")
	version, rest, ok2 := strings.Cut(rest, "/")
	rest = trimLWS(rest)
	end := strings.IndexAny(rest, " \t")
	if !ok1 || !ok2 || end < 0 {
		return nil, false
	}
	h := &sip.ViaHeader{ProtocolName: trimLWS(name), ProtocolVersion: trimLWS(version), Transport: rest[:end]}
	if !strings.EqualFold(h.ProtocolName, "SIP") || h.ProtocolVersion != "2.0" || !isToken(h.Transport) {
		return nil, false
	}
	sentBy := trimLWS(rest[end:])
	params := ""
	if i := strings.IndexByte(sentBy, ';'); i >= 0 {
		sentBy, params = trimLWS(sentBy[:i]), sentBy[i:]
	}
	var err error
	if h.Host, h.Port, err = parseHostPort(sentBy); err != nil {
		return nil, false
	}
	if bare := strings.Trim(h.Host, "[]"); bare != h.Host {
		if a, err := netip.ParseAddr(bare); err == nil && !a.Is4In6() && a.Zone() == "" {
			h.Host = bare // sipgo keeps IPv6 without brackets in a Via, and puts them on when it writes; but not on these two
		}
	}
	h.Params, err = parseParams(params)
	if h.Params == nil {
		h.Params = sip.HeaderParams{}
	}
	return h, err == nil
}

func parseFrom(s string) (sip.Header, bool) {
	a, err := parseNameAddr(s)
	return &sip.FromHeader{DisplayName: a.display, Address: a.uri, Params: a.params}, err == nil
}

func parseTo(s string) (sip.Header, bool) {
	a, err := parseNameAddr(s)
	return &sip.ToHeader{DisplayName: a.display, Address: a.uri, Params: a.params}, err == nil
}

// parseContact also reads the "*" of a REGISTER that removes every binding (RFC 3261 section 10.2.2).
func parseContact(s string) (sip.Header, bool) {
	if s == "*" {
		return &sip.ContactHeader{Address: sip.Uri{Wildcard: true, Host: "*"}}, true
	}
	a, err := parseNameAddr(s)
	return &sip.ContactHeader{DisplayName: a.display, Address: a.uri, Params: a.params}, err == nil
}

func parseRoute(s string) (sip.Header, bool) {
	a, err := parseNameAddr(s)
	return &sip.RouteHeader{Address: a.uri}, err == nil
}

func parseRecordRoute(s string) (sip.Header, bool) {
	a, err := parseNameAddr(s)
	return &sip.RecordRouteHeader{Address: a.uri}, err == nil
}

func parseCallID(s string) (sip.Header, bool) {
	h := sip.CallIDHeader(s)
	return &h, s != "" && isVisible(s)
}

// parseCSeq: the number is below 2**31 (RFC 3261 section 8.1.1.5).
func parseCSeq(s string) (sip.Header, bool) {
	end := strings.IndexAny(s, " \t")
	if end < 0 {
		return nil, false
	}
	n, err := strconv.ParseUint(s[:end], 10, 31)
	method := trimLWS(s[end:])
	return &sip.CSeqHeader{SeqNo: uint32(n), MethodName: sip.RequestMethod(method)}, err == nil && isToken(method)
}

// parseMaxForwards: 0 to 255 (RFC 3261 section 20.22).
func parseMaxForwards(s string) (sip.Header, bool) {
	n, err := strconv.ParseUint(s, 10, 8)
	h := sip.MaxForwardsHeader(n)
	return &h, err == nil
}

func parseContentLength(s string) (sip.Header, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	h := sip.ContentLengthHeader(n)
	return &h, err == nil
}

// parseContentType: type "/" subtype, parameters unread (RFC 3261 section 20.15).
func parseContentType(s string) (sip.Header, bool) {
	kind, _, _ := strings.Cut(s, ";")
	major, minor, ok := strings.Cut(kind, "/")
	h := sip.ContentTypeHeader(s)
	return &h, ok && isToken(trimLWS(major)) && isToken(trimLWS(minor))
}
