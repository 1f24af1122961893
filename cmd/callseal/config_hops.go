package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"callseal/sdp"
	"callseal/signaling/transport"
)

// plainHop is a hop on which somebody accepted that signaling or audio, or
// both, can be read on the wire.
type plainHop struct {
	Name       string // of the trunk or the phones' listener
	Role       transport.Role
	Signaling  transport.Proto
	Media      sdp.Mode
	AcceptedBy string
	Reason     string
}

// LogValue makes the one line of a start-up log that an auditor looks for.
func (h plainHop) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("name", h.Name), slog.String("role", h.Role.String()),
		slog.String("signaling", h.Signaling.String()), slog.String("media", h.Media.String()),
		slog.String("accepted_by", h.AcceptedBy), slog.String("reason", h.Reason))
}

// plaintext demands that whatever is in the clear on a hop is accepted, and
// by whom. It returns nil where nothing was written down.
func (l *loader) plaintext(place string, raw *rawPlaintext, proto transport.Proto, mode sdp.Mode) *rawPlaintext {
	if raw != nil {
		by, reason := strings.TrimSpace(raw.AcceptedBy), strings.TrimSpace(raw.Reason)
		if by == "" {
			l.fail(place+".plaintext.accepted_by", fault{"is missing", "name who accepts this plain hop"})
		}
		if reason == "" {
			l.fail(place+".plaintext.reason", fault{"is missing", "say why this hop is not encrypted"})
		}
		return &rawPlaintext{by, reason}
	}
	var clear []string
	if proto != transport.TLS {
		clear = append(clear, "signaling over "+proto.String())
	}
	if mode != sdp.Required {
		clear = append(clear, "media: "+mode.String())
	}
	if len(clear) > 0 {
		l.fail(place, fault{"is in the clear (" + strings.Join(clear, ", ") + ")",
			`seal it, or add plaintext: {accepted_by: "WHO", reason: "WHY"}`})
	}
	return nil
}

// allowed is one prefix of an allow-list and where it stands.
type allowed struct {
	prefix netip.Prefix
	place  string
}

// sources reads an allow-list of addresses and prefixes.
func (l *loader) sources(place string, texts []string) []allowed {
	var list []allowed
	for i, text := range texts {
		at := fmt.Sprintf("%s.sources[%d]", place, i)
		p, err := parsePrefix(text)
		switch {
		case err != nil:
			l.fail(at, fault{quote(text) + " is no address or prefix", `write one like "10.0.0.11" or "10.0.0.0/24"`})
		case p != p.Masked():
			l.fail(at, fault{quote(text) + " has bits set behind its mask",
				fmt.Sprintf("write %s for the network or %s for the one address", p.Masked(), p.Addr())})
		default:
			if p.Bits() == 0 {
				l.warn(at, fault{"everybody may call", "name the addresses that may"})
			}
			list = append(list, allowed{p, at})
		}
	}
	return list
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().WithZone("").Prefix(addr.Unmap().BitLen())
	}
	return netip.ParsePrefix(text)
}

// overlaps refuses an address that belongs to two of a role: the first would
// get the other's calls.
func (l *loader) overlaps(list []allowed) {
	for i, s := range list {
		for _, earlier := range list[:i] {
			if s.prefix.Overlaps(earlier.prefix) {
				l.fail(s.place, fault{fmt.Sprintf("%s overlaps %s of %s", s.prefix, earlier.prefix, earlier.place),
					"every address may belong to one only"})
			}
		}
	}
}

func prefixes(list []allowed) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, s.prefix)
	}
	return out
}
