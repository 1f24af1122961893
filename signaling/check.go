package signaling

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"callseal/signaling/call"
	"callseal/signaling/registrar"
)

// known are the methods of SIP that have a definition; others are answered
// 501 (RFC 3261 section 21.5.2), known ones that we do not take 405.
var known = []sip.RequestMethod{
	sip.INVITE, sip.ACK, sip.CANCEL, sip.BYE, sip.REGISTER, sip.OPTIONS, sip.SUBSCRIBE, sip.NOTIFY,
	sip.REFER, sip.INFO, sip.MESSAGE, sip.PRACK, sip.UPDATE, sip.PUBLISH,
}

// check finds what makes a well-formed request unacceptable to a UAS, in the
// order of RFC 3261 section 8.2. nil means nothing.
func check(req *sip.Request) *refusal {
	if !slices.Contains(known, req.Method) {
		return &refusal{501, "Not Implemented", "method", []sip.Header{sip.NewHeader("Allow", call.Allow)}}
	}
	if scheme := strings.ToLower(req.Recipient.Scheme); scheme != "sip" && scheme != "sips" {
		return &refusal{416, "Unsupported URI Scheme", "scheme", nil}
	}
	if m := req.MaxForwards(); m != nil && *m == 0 && goesOn(req) {
		return &refusal{483, "Too Many Hops", "hops", nil}
	}
	if tags := slices.DeleteFunc(required(req), func(tag string) bool {
		return understood(tag) || req.Method == sip.REGISTER && slices.Contains(registering, tag)
	}); len(tags) > 0 { // RFC 3261 section 8.2.2.3
		return &refusal{420, "Bad Extension", "extension", []sip.Header{sip.NewHeader("Unsupported", strings.Join(tags, ", "))}}
	}
	if req.Method != sip.INVITE {
		return nil
	}
	if ct := req.ContentType(); len(req.Body()) > 0 && ct != nil && !mediaType(ct.Value(), "application/sdp") {
		return &refusal{415, "Unsupported Media Type", "content_type", []sip.Header{sip.NewHeader("Accept", "application/sdp")}}
	}
	if e := req.GetHeader("content-encoding"); e != nil && !strings.EqualFold(strings.TrimSpace(e.Value()), "identity") {
		return &refusal{415, "Unsupported Media Type", "content_encoding", []sip.Header{sip.NewHeader("Accept-Encoding", "identity")}}
	}
	if !accepts(req) {
		return &refusal{406, "Not Acceptable", "accept", nil}
	}
	return nil
}

// goesOn tells whether a request leads to one on another leg (RFC 7332). A BYE
// ends this leg whatever becomes of the other.
func goesOn(req *sip.Request) bool {
	switch req.Method {
	case sip.INVITE, sip.UPDATE, sip.INFO, sip.MESSAGE, sip.NOTIFY, sip.SUBSCRIBE, sip.PUBLISH, sip.REFER:
		return true
	case sip.OPTIONS: // in a dialog, or for a phone; others we answer
		return req.To().Params.Has("tag") || registrar.IsToken(req.Recipient.User)
	}
	return false
}

// served are the option tags that need nothing of us but what header's table
// does, beside those of call.Supported.
var served = []string{"privacy", "histinfo", "uui"}

// registering are those of a REGISTER.
var registering = []string{"path", "outbound"}

// understood tells whether a request may insist on an extension.
func understood(tag string) bool {
	for _, known := range append(strings.Split(call.Supported, ","), served...) {
		if strings.EqualFold(strings.TrimSpace(known), tag) {
			return true
		}
	}
	return false
}

// required lists the option tags that the other side insists on.
func required(req *sip.Request) []string {
	var tags []string
	for _, name := range []string{"require", "proxy-require"} {
		for _, h := range req.GetHeaders(name) {
			for tag := range strings.SplitSeq(h.Value(), ",") {
				if tag = strings.TrimSpace(tag); tag != "" {
					tags = append(tags, tag)
				}
			}
		}
	}
	return tags
}

// accepts tells whether the caller takes SDP in the answer (RFC 3261 section
// 20.1: without Accept it does).
func accepts(req *sip.Request) bool {
	headers := req.GetHeaders("accept")
	if len(headers) == 0 {
		return true
	}
	for _, h := range headers {
		for v := range strings.SplitSeq(h.Value(), ",") {
			if mediaType(v, "application/sdp") || mediaType(v, "application/*") || mediaType(v, "*/*") {
				return true
			}
		}
	}
	return false
}

func mediaType(value, want string) bool {
	value, _, _ = strings.Cut(value, ";")
	return strings.EqualFold(strings.ReplaceAll(value, " ", ""), want)
}
