package sdp

import (
	"slices"
	"strconv"
	"strings"

	psdp "github.com/pion/sdp/v3"
)

// Pion is a normalised copy for typed access: missing lines filled in, order
// and case as RFC 8866 has them, numbers that do not parse as 0, lines that
// mean nothing left out. It holds no key: a=crypto and k= are left out too. It
// has as many media descriptions as the description has m-lines. ErrSyntax
// names an m-line whose port is no number.
func (d *Description) Pion() (*psdp.SessionDescription, error) {
	p := &psdp.SessionDescription{
		Origin:                pionOrigin(d.session),
		SessionName:           "-",
		ConnectionInformation: pionConnection(d.session),
		Bandwidth:             pionBandwidth(d.session),
		TimeDescriptions:      pionTiming(d.session),
		Attributes:            pionAttributes(d.session),
	}
	if l, ok := first(d.session, 's'); ok && strings.TrimSpace(l.value) != "" {
		p.SessionName = psdp.SessionName(l.value)
	}
	for i := range d.media {
		m, err := d.media[i].pion()
		if err != nil {
			return nil, err
		}
		p.MediaDescriptions = append(p.MediaDescriptions, m)
	}
	return p, nil
}

func (m *media) pion() (*psdp.MediaDescription, error) {
	text, count, ranged := strings.Cut(m.port, "/")
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, syntaxError(m.number, "m= wants a port up to 65535")
	}
	p := &psdp.MediaDescription{
		MediaName: psdp.MediaName{
			Media:   strings.ToLower(m.kindOf),
			Port:    psdp.RangedPort{Value: int(port)},
			Protos:  strings.Split(strings.ToUpper(m.proto), "/"),
			Formats: m.formats,
		},
		ConnectionInformation: pionConnection(m.sublines),
		Bandwidth:             pionBandwidth(m.sublines),
		Attributes:            pionAttributes(m.sublines),
	}
	if n, err := strconv.ParseUint(count, 10, 16); ranged && err == nil {
		p.MediaName.Port.Range = pointer(int(n))
	}
	if l, ok := first(m.sublines, 'i'); ok {
		p.MediaTitle = pointer(psdp.Information(l.value))
	}
	return p, nil
}

// pionOrigin reads o= and takes ids that are no natural numbers as 0.
func pionOrigin(lines []line) psdp.Origin {
	o := psdp.Origin{Username: "-", NetworkType: "IN", AddressType: "IP4", UnicastAddress: "0.0.0.0"}
	l, _ := first(lines, 'o')
	fields := strings.Fields(l.value)
	if len(fields) != 6 {
		return o
	}
	o.Username, o.UnicastAddress = fields[0], fields[5]
	o.SessionID, _ = strconv.ParseUint(fields[1], 10, 64)
	o.SessionVersion, _ = strconv.ParseUint(fields[2], 10, 64)
	if strings.EqualFold(fields[4], "IP6") {
		o.AddressType = "IP6"
	}
	return o
}

func pionConnection(lines []line) *psdp.ConnectionInformation {
	l, _ := first(lines, 'c')
	fields := strings.Fields(l.value)
	if len(fields) < 3 {
		return nil
	}
	// A group's TTL and count mean nothing to a call.
	text, _, _ := strings.Cut(fields[2], "/")
	return &psdp.ConnectionInformation{
		NetworkType: strings.ToUpper(fields[0]),
		AddressType: strings.ToUpper(fields[1]),
		Address:     &psdp.Address{Address: text},
	}
}

// pionBandwidth reads the b= lines of the types that pion/sdp takes back, and
// private ones.
func pionBandwidth(lines []line) []psdp.Bandwidth {
	var all []psdp.Bandwidth
	for _, l := range lines {
		if l.kind != 'b' {
			continue
		}
		name, value, _ := strings.Cut(l.value, ":")
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		if err != nil {
			continue
		}
		name, experimental := strings.CutPrefix(strings.TrimSpace(name), "X-")
		if known := []string{"CT", "AS", "TIAS", "RS", "RR"}; !experimental && !slices.Contains(known, name) {
			continue
		}
		all = append(all, psdp.Bandwidth{Experimental: experimental, Type: name, Bandwidth: n})
	}
	return all
}

func pionTiming(lines []line) []psdp.TimeDescription {
	var timing psdp.Timing
	l, _ := first(lines, 't')
	if fields := strings.Fields(l.value); len(fields) == 2 {
		timing.StartTime, _ = strconv.ParseUint(fields[0], 10, 64)
		timing.StopTime, _ = strconv.ParseUint(fields[1], 10, 64)
	}
	return []psdp.TimeDescription{{Timing: timing}}
}

func pionAttributes(lines []line) []psdp.Attribute {
	var all []psdp.Attribute
	for _, l := range lines {
		name, _ := l.attribute()
		if name == "" || hasKey(l) {
			continue
		}
		key, value, _ := strings.Cut(l.value, ":")
		all = append(all, psdp.Attribute{Key: key, Value: value})
	}
	return all
}

func pointer[T any](v T) *T { return &v }
