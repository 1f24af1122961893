package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"callseal/signaling/transport"
)

// rawTrust is the section trust: what becomes of those who are not ours.
type rawTrust struct {
	Unknown  string   `yaml:"unknown"`
	Scanners []string `yaml:"scanners"`
	Realm    string   `yaml:"realm"`
	Ban      rawBan   `yaml:"ban"`
}

type rawBan struct {
	After  int           `yaml:"after"`
	Within time.Duration `yaml:"within"`
	For    time.Duration `yaml:"for"`
}

// The defaults of trust.
const (
	unknownDrop, unknownRefuse = "drop", "refuse"

	defaultBanAfter  = 5
	defaultBanWithin = time.Minute
	defaultBanFor    = 300 * time.Second
)

// defaultScanners are names under which programs that look for telephone systems are known, and telephones are not.
var defaultScanners = []string{"friendly-scanner", "friendly-request", "sipvicious", "sipcli", "sip-scan", "sipscan", "pplsip", "sundayddr",
	"iwar", "siparmyknife", "smap"}

func defaultTrust() rawTrust {
	return rawTrust{Unknown: unknownDrop, Scanners: defaultScanners, Realm: defaultTrunkRealm, Ban: rawBan{defaultBanAfter, defaultBanWithin, defaultBanFor}}
}

// trust reads the section of that name.
func (l *loader) trust() {
	r := l.raw.Trust
	if r.Unknown != unknownDrop && r.Unknown != unknownRefuse {
		l.fail("trust.unknown", fault{quote(r.Unknown) + " is no policy", "write drop or refuse"})
	}
	t := transport.Trust{Drop: r.Unknown == unknownDrop}
	for i, word := range r.Scanners {
		word = strings.ToLower(strings.TrimSpace(word))
		if len(word) < 3 {
			l.fail(fmt.Sprintf("trust.scanners[%d]", i), fault{quote(word) + " would fit too many telephones", "write at least three letters of the program's name"})
			continue
		}
		t.Scanners = append(t.Scanners, word)
	}
	if r.Ban.After < 0 || r.Ban.After > 1000 {
		l.fail("trust.ban.after", fault{strconv.Itoa(r.Ban.After) + " is no number of requests", "write 1 to 1000, or 0 to ban nobody"})
	}
	l.span("trust.ban.within", r.Ban.Within, time.Second, time.Hour)
	l.span("trust.ban.for", r.Ban.For, time.Second, 24*time.Hour)
	t.Ban = transport.BanRule{After: r.Ban.After, Within: r.Ban.Within, For: r.Ban.For}
	if !printable(r.Realm) {
		l.fail("trust.realm", fault{quote(r.Realm) + " is no realm", "write a name without quotes, like callseal"})
	}
	l.cfg.Signaling.Trust, l.cfg.Signaling.Realm = t, r.Realm
}
