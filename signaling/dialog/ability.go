package dialog

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Learn takes over what a message of the remote says it can do: Allow and
// Supported (RFC 3261 sections 20.5 and 20.37). A message without one of them
// changes nothing of it.
func (d *Dialog) Learn(msg sip.Message) {
	if allow := Tokens(msg, "allow"); allow != nil {
		d.allow = allow
	}
	if supported := Tokens(msg, "supported"); supported != nil {
		d.supported = supported
	}
}

// Allows tells whether the remote said that it takes a method.
func (d *Dialog) Allows(method sip.RequestMethod) bool { return contains(d.allow, string(method)) }

// Supports tells whether the remote said that it knows an option tag.
func (d *Dialog) Supports(tag string) bool { return contains(d.supported, tag) }

// Lists tells whether one of a message's headers of this name lists a token.
func Lists(msg sip.Message, header, token string) bool { return contains(Tokens(msg, header), token) }

// Tokens are the values of all headers of a name, which are lists separated by
// commas; nil where there is no such header.
func Tokens(msg sip.Message, header string) []string {
	var tokens []string
	for _, h := range msg.GetHeaders(header) {
		if tokens == nil {
			tokens = []string{} // an empty Supported supports nothing
		}
		for token := range strings.SplitSeq(h.Value(), ",") {
			if token = strings.TrimSpace(token); token != "" {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens
}

func contains(tokens []string, token string) bool {
	for _, t := range tokens {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}
