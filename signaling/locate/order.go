package locate

import (
	"cmp"
	"slices"
	"strings"

	"callseal/signaling/transport"
)

// arrange puts SRV records into the order in which they are to be tried: the lowest priority first, and among equals each is first as often as
// its weight says (RFC 2782, "Weight"). below gives a random number from 0 to n-1.
func arrange(records []srv, below func(n int) int) []srv {
	left := slices.Clone(records)
	slices.SortStableFunc(left, func(a, b srv) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.weight, b.weight)) // weight 0 in front, as the RFC has it
	})
	out := make([]srv, 0, len(left))
	for len(left) > 0 {
		n, sum := 0, 0
		for n < len(left) && left[n].priority == left[0].priority {
			sum += int(left[n].weight)
			n++
		}
		chosen, upTo := below(sum+1), 0
		for i := range n {
			if upTo += int(left[i].weight); upTo >= chosen {
				out = append(out, left[i])
				left = slices.Delete(left, i, i+1)
				break
			}
		}
	}
	return out
}

// services lists the names of the SRV records for a transport, in their order (RFC 3263 section 4.1). Records for other transports, and those
// that lead elsewhere than to SRV, are passed over.
func services(records []naptr, proto transport.Proto) []string {
	var fit []naptr
	for _, r := range records {
		if strings.EqualFold(r.flags, "s") && strings.EqualFold(r.service, serviceField(proto)) && r.replacement != "." {
			fit = append(fit, r)
		}
	}
	slices.SortStableFunc(fit, func(a, b naptr) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.preference, b.preference))
	})
	var names []string
	for _, r := range fit {
		if !slices.Contains(names, r.replacement) {
			names = append(names, r.replacement)
		}
	}
	return names
}

// serviceField is a transport's name in NAPTR records.
func serviceField(proto transport.Proto) string {
	switch proto {
	case transport.TLS:
		return "SIPS+D2T"
	case transport.TCP:
		return "SIP+D2T"
	case transport.UDP:
		return "SIP+D2U"
	default:
		return ""
	}
}

// serviceName is where the SRV records of a transport stand by custom (RFC 3263 section 4.1).
func serviceName(proto transport.Proto, host string) string {
	switch proto {
	case transport.TLS:
		return "_sips._tcp." + host
	case transport.TCP:
		return "_sip._tcp." + host
	default:
		return "_sip._udp." + host
	}
}
