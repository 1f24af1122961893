package ladder

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// codec is a row of the payload types that the agents speak.
type codec struct{ name, payload, rtpmap string }

var codecs = []codec{
	{"pcmu", "0", "PCMU/8000"}, {"pcma", "8", "PCMA/8000"}, {"g722", "9", "G722/8000"}, {"g729", "18", "G729/8000"},
	{"dtmf", "101", "telephone-event/8000"}, {"opus", "107", "opus/48000/2"},
}

var directions = []string{"sendrecv", "sendonly", "recvonly", "inactive"}

// description is a session description in the words of a script: sdp:pcmu,sendonly,key=k2.
type description struct {
	codecs    []string
	direction string // "" says nothing
	zero      bool   // c=0.0.0.0
	addr      string
	port      string
	key       string // name of the sender's key; "" is plain RTP
	suite     string
	tag       string // of the crypto line; "" is 1
	avp       bool   // with a key, but under RTP/AVP
	video     bool
	noaudio   bool // m=audio 0
	fax       bool // T.38 in the place of the audio
	version   int  // 0: grows when the description changes
}

var suites = map[string]struct {
	name   string
	octets int
}{
	"80": {"AES_CM_128_HMAC_SHA1_80", 30}, "32": {"AES_CM_128_HMAC_SHA1_32", 30}, "gcm": {"AEAD_AES_128_GCM", 28},
}

// readDescription takes the words behind "sdp:".
func readDescription(words string) (description, error) {
	d := description{suite: "80"}
	for word := range strings.SplitSeq(words, ",") {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case word == "" || word == "plain":
		case slices.ContainsFunc(codecs, func(c codec) bool { return c.name == word }):
			d.codecs = append(d.codecs, word)
		case slices.Contains(directions, word):
			d.direction = word
		case word == "zero":
			d.zero = true
		case word == "video":
			d.video = true
		case word == "noaudio":
			d.noaudio = true
		case word == "fax":
			d.fax = true
		case word == "avp":
			d.avp = true
		case name == "addr":
			d.addr = value
		case name == "port":
			d.port = value
		case name == "key":
			d.key = value
		case name == "suite":
			d.suite = value
		case name == "version":
			var err error
			if d.version, err = strconv.Atoi(value); err != nil {
				return d, err
			}
		default:
			return d, fmt.Errorf("no word of a session description: %q", word)
		}
	}
	if len(d.codecs) == 0 {
		d.codecs = []string{"pcmu"}
	}
	return d, nil
}

// keyText is the base64 of an agent's key of a name: the same each time.
func keyText(agent, name string, octets int) string {
	sum := sha256.Sum256([]byte(agent + " " + name))
	return base64.StdEncoding.EncodeToString(sum[:octets])
}

// write makes the description's text, for an agent at addr, under an o= version.
func (d description) write(agent string, addr netip.Addr, call, version int) string {
	if d.addr == "" {
		d.addr = addr.String()
	}
	connection := d.addr
	if d.zero {
		connection = "0.0.0.0"
	}
	if d.port == "" {
		d.port = strconv.Itoa(4000 + 10*call)
	}
	if d.noaudio {
		d.port = "0"
	}
	if d.version != 0 {
		version = d.version
	}
	profile := "RTP/AVP"
	if d.key != "" && !d.avp {
		profile = "RTP/SAVP"
	}
	var b strings.Builder
	family := "IP4"
	if strings.Contains(connection, ":") {
		family = "IP6"
	}
	fmt.Fprintf(&b, "v=0\r\no=%s %d %d IN IP4 %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", agent, 1000+call, version, addr, family, connection)
	if d.fax {
		fmt.Fprintf(&b, "m=image %s udptl t38\r\na=T38FaxVersion:0\r\n", d.port)
		return b.String()
	}
	var payloads []string
	var maps strings.Builder
	for _, name := range d.codecs {
		c := codecs[slices.IndexFunc(codecs, func(c codec) bool { return c.name == name })]
		payloads = append(payloads, c.payload)
		fmt.Fprintf(&maps, "a=rtpmap:%s %s\r\n", c.payload, c.rtpmap)
	}
	fmt.Fprintf(&b, "m=audio %s %s %s\r\n%s", d.port, profile, strings.Join(payloads, " "), maps.String())
	if d.key != "" {
		if d.tag == "" {
			d.tag = "1"
		}
		fmt.Fprintf(&b, "a=crypto:%s %s inline:%s\r\n", d.tag, suites[d.suite].name, keyText(agent, d.key, suites[d.suite].octets))
	}
	if d.direction != "" {
		fmt.Fprintf(&b, "a=%s\r\n", d.direction)
	}
	if d.video {
		fmt.Fprintf(&b, "m=video 5000 %s 34\r\na=rtpmap:34 H263/90000\r\n", profile)
	}
	return b.String()
}

// look is a description that came, as far as scripts ask.
type look struct {
	codecs     []string
	direction  string
	profile    string
	id         string
	version    int
	connection string
	port       string
	key        string            // of the first crypto line; never shown
	tags       map[string]string // of the crypto lines, by suite
	streams    []string          // "audio 20000 RTP/AVP" of each m-line
}

var (
	originForm = regexp.MustCompile(`(?m)^o=\S+ (\d+) (\d+) `)
	streamForm = regexp.MustCompile(`(?m)^m=(\S+) (\d+) (\S+) ([^\r\n]*)`)
	cryptoForm = regexp.MustCompile(`(?m)^a=crypto:(\S+) (\S+) `)
	keyForm    = regexp.MustCompile(`inline:([^|\s]+)`)
	placeForm  = regexp.MustCompile(`(?m)^c=IN IP[46] (\S+)`)
)

// lookAt reads a description.
func lookAt(body string) *look {
	if !strings.HasPrefix(body, "v=0") {
		return nil
	}
	l := &look{direction: "sendrecv"}
	if o := originForm.FindStringSubmatch(body); o != nil {
		l.id = o[1]
		l.version, _ = strconv.Atoi(o[2])
	}
	if c := placeForm.FindAllStringSubmatch(body, -1); c != nil {
		l.connection = c[len(c)-1][1]
	}
	if k := keyForm.FindStringSubmatch(body); k != nil {
		l.key = k[1]
	}
	l.tags = map[string]string{}
	for _, c := range cryptoForm.FindAllStringSubmatch(body, -1) {
		l.tags[c[2]] = c[1]
	}
	for i, m := range streamForm.FindAllStringSubmatch(body, -1) {
		l.streams = append(l.streams, m[1]+" "+m[2]+" "+m[3])
		if i > 0 {
			continue
		}
		l.port, l.profile = m[2], m[3]
		for payload := range strings.FieldsSeq(m[4]) {
			name := payload
			for _, c := range codecs {
				if c.payload == payload {
					name = c.name
				}
			}
			l.codecs = append(l.codecs, name)
		}
	}
	for _, d := range directions {
		if strings.Contains(body, "\na="+d+"\r\n") {
			l.direction = d
		}
	}
	return l
}

// String shows it in a script's words.
func (l *look) String() string {
	words := slices.Clone(l.codecs)
	words = append(words, l.direction)
	if l.port == "0" {
		words = append(words, "noaudio")
	}
	if strings.Contains(l.profile, "SAVP") {
		words = append(words, "sealed")
	} else {
		words = append(words, "plain")
	}
	if len(l.streams) > 1 {
		words = append(words, fmt.Sprintf("streams=%d", len(l.streams)))
	}
	return "sdp:" + strings.Join(words, ",")
}

// matches tells what a script wants and the description does not have. last is the one that came before, or nil.
func (l *look) matches(words string, last *look) error {
	var wanted []string
	for word := range strings.SplitSeq(words, ",") {
		name, value, _ := strings.Cut(word, "=")
		ok := true
		switch {
		case word == "":
		case slices.ContainsFunc(codecs, func(c codec) bool { return c.name == word }):
			wanted = append(wanted, word)
		case slices.Contains(directions, word):
			ok = l.direction == word
		case word == "sealed":
			ok = strings.Contains(l.profile, "SAVP") && l.key != ""
		case word == "plain":
			ok = l.profile == "RTP/AVP" && l.key == ""
		case word == "noaudio":
			ok = l.port == "0"
		case name == "at":
			ok = l.connection == value
		case word == "zero":
			ok = l.connection == "0.0.0.0"
		case name == "streams":
			ok = strconv.Itoa(len(l.streams)) == value
		case name == "key":
			ok = last != nil && (last.key == l.key) == (value == "same")
		case name == "version":
			ok = last != nil && (last.version == l.version) == (value == "same")
		default:
			return fmt.Errorf("no word for a session description that comes: %q", word)
		}
		if !ok {
			return fmt.Errorf("the description is not %s", word)
		}
	}
	if len(wanted) > 0 && !slices.Equal(wanted, l.codecs) {
		return fmt.Errorf("codecs %v, want %v", l.codecs, wanted)
	}
	return nil
}
