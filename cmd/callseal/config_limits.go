package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"callseal/signaling/trunk"
)

type rawFailover struct {
	Silent time.Duration `yaml:"silent"`
}

type rawTrunkLimits struct {
	Calls          int      `yaml:"calls"`
	CallsPerSecond int      `yaml:"calls_per_second"`
	Burst          int      `yaml:"burst"`
	Allow          []string `yaml:"allow"`
	Deny           []string `yaml:"deny"`
	LongestNumber  int      `yaml:"longest_number"`
}

type rawHealth struct {
	Interval  time.Duration `yaml:"interval"`
	DownAfter *int          `yaml:"down_after"`
	UpAfter   *int          `yaml:"up_after"`
}

// The defaults of health, where that is written at all.
const (
	defaultHealth    = 30 * time.Second
	defaultDownAfter = 3
	defaultUpAfter   = 2
)

// failover reads the section of that name.
func (l *loader) failover() {
	silent := l.raw.Failover.Silent
	l.cfg.Signaling.Limits.Silent = silent
	if silent == 0 {
		l.cfg.Signaling.Limits.Silent = -1
		return
	}
	l.span("failover.silent", silent, 500*time.Millisecond, 32*time.Second)
}

// trunkLimits reads what a trunk may get.
func (l *loader) trunkLimits(place string, raw rawTrunkLimits) trunk.Limits {
	for _, n := range []struct {
		key   string
		value int
	}{{"calls", raw.Calls}, {"calls_per_second", raw.CallsPerSecond}, {"burst", raw.Burst}, {"longest_number", raw.LongestNumber}} {
		if n.value < 0 || n.value > mostWeight {
			l.fail(place+"."+n.key, fault{fmt.Sprintf("%d is out of bounds", n.value), fmt.Sprintf("write 1 to %d, or 0 for no limit", mostWeight)})
		}
	}
	if raw.Burst > 0 && raw.CallsPerSecond == 0 {
		l.fail(place+".burst", fault{"has no effect without calls_per_second", "write that too, or remove burst"})
	}
	for _, list := range []struct {
		key      string
		prefixes []string
	}{{"allow", raw.Allow}, {"deny", raw.Deny}} {
		for i, p := range list.prefixes {
			at := fmt.Sprintf("%s.%s[%d]", place, list.key, i)
			if l.dialled(at, p); p == "" {
				l.fail(at, fault{"is empty", "write the beginning of a number"})
			}
		}
	}
	for i, p := range raw.Allow {
		if slices.ContainsFunc(raw.Deny, func(d string) bool { return strings.TrimPrefix(d, "+") == strings.TrimPrefix(p, "+") }) {
			l.warn(fmt.Sprintf("%s.allow[%d]", place, i), fault{quote(p) + " is denied too, which counts", "keep one of them"})
		}
	}
	return trunk.Limits{
		Calls: raw.Calls, PerSecond: raw.CallsPerSecond, Burst: raw.Burst, Longest: raw.LongestNumber,
		Allow: append([]string(nil), raw.Allow...), Deny: append([]string(nil), raw.Deny...),
	}
}

// health reads how a trunk is watched; without the section it is not.
func (l *loader) health(place string, raw *rawHealth) trunk.Health {
	if raw == nil {
		return trunk.Health{}
	}
	h := trunk.Health{Interval: raw.Interval, DownAfter: defaultDownAfter, UpAfter: defaultUpAfter}
	if h.Interval == 0 {
		h.Interval = defaultHealth
	}
	l.span(place+".interval", h.Interval, time.Second, time.Hour)
	for _, n := range []struct {
		key  string
		text *int
		into *int
	}{{"down_after", raw.DownAfter, &h.DownAfter}, {"up_after", raw.UpAfter, &h.UpAfter}} {
		if n.text == nil {
			continue
		}
		if *n.into = *n.text; *n.text < 1 || *n.text > 100 {
			l.fail(place+"."+n.key, fault{fmt.Sprintf("%d is out of bounds", *n.text), "write 1 to 100"})
		}
	}
	return h
}
