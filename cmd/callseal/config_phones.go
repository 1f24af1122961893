package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"callseal/cmd/callseal/directory"
	"callseal/sdp"
	"callseal/signaling/auth"
	"callseal/signaling/phonebook"
	"callseal/signaling/registrar"
	"callseal/signaling/transport"
)

// rawPhones is the section phones.
type rawPhones struct {
	Registrar  string            `yaml:"registrar"`
	Realm      string            `yaml:"realm"`
	Algorithms []string          `yaml:"algorithms"`
	Default    string            `yaml:"default"`
	Map        map[string]string `yaml:"map"`
	Users      []rawUser         `yaml:"users"`
	Database   *rawDatabase      `yaml:"database"`
	Policies   []rawPolicy       `yaml:"policies"`
	Rollout    *rawRollout       `yaml:"rollout"`
	Source     string            `yaml:"source"`
	Expiry     rawExpiry         `yaml:"expiry"`
	AutoAnswer bool              `yaml:"auto_answer"`
}

type rawUser struct {
	Extension    string   `yaml:"extension"`
	Password     string   `yaml:"password"`
	PasswordFile string   `yaml:"password_file"`
	HA1          string   `yaml:"ha1"`
	Dialers      []string `yaml:"dialers"`
}

// hidesKeys: whoever forgets the quotes around a password with a comma, in a
// line of {}, makes a key of what is behind that; with dsn it is the same.
func (r *rawUser) hidesKeys()     {}
func (r *rawDatabase) hidesKeys() {}

type rawDatabase struct {
	DSN          string        `yaml:"dsn"`
	PasswordFile string        `yaml:"password_file"`
	PasswordEnv  string        `yaml:"password_env"`
	Poll         time.Duration `yaml:"poll"`
}

type rawPolicy struct {
	Extensions []string      `yaml:"extensions"`
	Signaling  string        `yaml:"signaling"`
	Media      string        `yaml:"media"`
	Plaintext  *rawPlaintext `yaml:"plaintext"`
}

type rawRollout struct {
	Extensions []string      `yaml:"extensions"`
	Percent    int           `yaml:"percent"`
	Rest       string        `yaml:"rest"`
	Plaintext  *rawPlaintext `yaml:"plaintext"`
}

// The defaults of the section.
const (
	defaultRegistrar = "pass"
	defaultRealm     = "asterisk" // Asterisk's own: one digest does for us and for it
	defaultAlgorithm = "MD5"      // what every phone knows; some refuse all challenges where one is of another
)

// phoneDirectory reads the section phones. It comes after the trunks, which it names.
func (l *loader) phoneDirectory() {
	r := l.raw.Phones
	p := &l.cfg.Signaling.Accounts
	switch r.Registrar {
	case "pass":
	case "local":
		p.Local = true
	default:
		l.fail("phones.registrar", fault{quote(r.Registrar) + " is no registrar", "write pass (the dialers know the phones) or local (callseal does)"})
	}
	p.Realm = r.Realm
	if !printable(r.Realm) {
		l.fail("phones.realm", fault{quote(r.Realm) + " is no realm", "write the one that the dialers ask for, asterisk unless their sip.conf says otherwise"})
	}
	p.Algorithms = l.algorithms(r.Algorithms)
	asks := fault{"has no effect with registrar: pass, where the dialers ask for passwords", "write registrar: local, or remove it"}
	if r.Realm != defaultRealm && !p.Local {
		l.warn("phones.realm", asks)
	}
	if !slices.Equal(r.Algorithms, []string{defaultAlgorithm}) && !p.Local {
		l.warn("phones.algorithms", asks)
	}
	if r.Default != "" {
		l.isDialer("phones.default", r.Default)
	}
	p.Plan.Default = l.defaultDialer()
	for _, extension := range slices.Sorted(maps.Keys(r.Map)) {
		l.extension("phones.map", extension)
		l.isDialer("phones.map."+extension, r.Map[extension])
	}
	p.Plan.Map = r.Map
	l.users()
	l.database()
	l.policies()
	l.rollout()
	if p.Local && len(p.Users) == 0 && l.cfg.Directory == nil {
		l.fail("phones.registrar", fault{"local, but there is nobody to register", "add users or database to phones"})
	}
}

// phones are what a file without the section gets.
func rawPhonesDefaults() rawPhones {
	return rawPhones{Registrar: defaultRegistrar, Realm: defaultRealm, Algorithms: []string{defaultAlgorithm},
		Expiry: rawExpiry{registrar.MinExpiry, registrar.MaxExpiry}}
}

func (l *loader) algorithms(names []string) []auth.Algorithm {
	if len(names) == 0 {
		l.fail("phones.algorithms", fault{"is empty", "write [MD5], [SHA-256, MD5] or [SHA-256]"})
	}
	var all []auth.Algorithm
	for i, name := range names {
		a, err := auth.ParseAlgorithm(name)
		if err != nil || a != auth.MD5 && a != auth.SHA256 || slices.Contains(all, a) {
			l.fail(fmt.Sprintf("phones.algorithms[%d]", i), fault{quote(name) + " is no algorithm, or there twice", "write MD5 or SHA-256"})
			continue
		}
		all = append(all, a)
	}
	return all
}

func printable(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\\' })
}

// extension checks what phones are called.
func (l *loader) extension(place, extension string) {
	if !directory.Usable(extension) {
		l.fail(place, fault{quote(extension) + " is no extension", "write what the phone registers as: letters, digits, dots, - and _"})
	}
}

func (l *loader) isDialer(place, name string) {
	if t := l.cfg.Signaling.Table.ByName(name); t == nil || t.Role() != transport.Dialer {
		l.fail(place, fault{"there is no dialer " + quote(name), "write the name of one of dialers"})
	}
}

// users reads the accounts of the file.
func (l *loader) users() {
	p := &l.cfg.Signaling.Accounts
	seen := map[string]string{}
	for i, raw := range l.raw.Phones.Users {
		place := fmt.Sprintf("phones.users[%d]", i)
		l.extension(place+".extension", raw.Extension)
		l.once(seen, place+".extension", raw.Extension)
		a := phonebook.Account{User: raw.Extension, Keys: l.userKeys(place, raw)}
		for j, name := range raw.Dialers {
			l.isDialer(fmt.Sprintf("%s.dialers[%d]", place, j), name)
			a.Lines = append(a.Lines, phonebook.Line{Dialer: name, User: a.User, Keys: a.Keys})
		}
		p.Users = append(p.Users, a)
	}
	if len(p.Users) > 0 && !p.Local {
		l.warn("phones.users", fault{"have no effect with registrar: pass, where the dialers know the passwords", "write registrar: local, or remove them"})
	}
}

// userKeys reads the password of a phone.
func (l *loader) userKeys(place string, raw rawUser) auth.Keys {
	keys := l.keys(place, raw.Extension, l.raw.Phones.Realm, "EXTENSION", raw.Password, raw.PasswordFile, raw.HA1)
	if raw.HA1 != "" && !keys.IsZero() && slices.Contains(l.cfg.Signaling.Accounts.Algorithms, auth.SHA256) {
		l.fail(place+".ha1", fault{"is an MD5 digest, and phones.algorithms has SHA-256", "write password_file instead, or algorithms: [MD5]"})
	}
	return keys
}

// keys reads the one way in which a password is given; called is what its user is in advice.
func (l *loader) keys(place, user, realm, called, password, file, ha1 string) auth.Keys {
	given := 0
	for _, text := range []string{password, file, ha1} {
		if text != "" {
			given++
		}
	}
	switch {
	case given != 1:
		l.fail(place, fault{"needs one of password, password_file and ha1", "remove the others, or add one"})
	case ha1 != "":
		keys, err := auth.ParseKeys(realm, ha1)
		if err != nil || !keys.Has(realm, auth.MD5) {
			l.fail(place+".ha1", fault{"is no MD5 digest", "write the 32 hexadecimal digits of the MD5 of " + called + ":REALM:PASSWORD"})
			return auth.Keys{}
		}
		return keys
	case file != "":
		if read := l.passwordFile(place+".password_file", file); !read.IsZero() {
			return auth.NewKeys(user, realm, read)
		}
	default:
		return auth.NewKeys(user, realm, auth.NewSecret(password))
	}
	return auth.Keys{}
}

// passwordFile reads the one line of a file.
func (l *loader) passwordFile(place, name string) auth.Secret {
	text := l.secretFile(place, name, "the path of a file with the password in it")
	if text == nil {
		return auth.Secret{}
	}
	l.keyMode(place, name)
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" || strings.ContainsAny(password, "\r\n\x00") {
		l.fail(place, fault{"holds no password, or more than one line", "write the password alone into it"})
		return auth.Secret{}
	}
	return auth.NewSecret(password)
}

// database reads where VICIdial's tables are.
func (l *loader) database() {
	raw := l.raw.Phones.Database
	if raw == nil {
		return
	}
	const place = "phones.database"
	var password auth.Secret
	switch {
	case raw.PasswordFile != "" && raw.PasswordEnv != "":
		l.fail(place, fault{"has both password_file and password_env", "remove one"})
	case raw.PasswordFile != "":
		password = l.passwordFile(place+".password_file", raw.PasswordFile)
	case raw.PasswordEnv != "":
		text, ok := os.LookupEnv(raw.PasswordEnv)
		if !ok {
			l.fail(place+".password_env", fault{"there is no environment variable " + quote(raw.PasswordEnv), "set it for callseal, or write password_file"})
		}
		password = auth.NewSecret(text)
	}
	source, err := directory.ParseSource(raw.DSN, password)
	if err != nil {
		l.fail(place+".dsn", fault{err.Error(), "write like callseal@tcp(10.0.0.5:3306)/asterisk"})
		return
	}
	if source.Clear() && l.cfg.Signaling.Accounts.Local {
		l.warn(place+".dsn", fault{"the passwords of the phones cross the network in the clear", "add ?tls=true to dsn, where the database has TLS"})
	}
	if raw.Poll == 0 {
		raw.Poll = directory.MinPoll
	}
	l.span(place+".poll", raw.Poll, directory.MinPoll, 24*time.Hour)
	l.cfg.Signaling.Accounts.Directory = true
	l.cfg.Directory = &directory.Reading{Source: source, Poll: raw.Poll, Secrets: l.cfg.Signaling.Accounts.Local, Realm: l.raw.Phones.Realm}
}

// policies reads what holds for single phones.
func (l *loader) policies() {
	for i, raw := range l.raw.Phones.Policies {
		place := fmt.Sprintf("phones.policies[%d]", i)
		of := phonebook.PolicyOf{Who: l.patterns(place, raw.Extensions)}
		switch raw.Signaling {
		case "", "any":
		case "tls":
			of.TLS = true
		default:
			l.fail(place+".signaling", fault{quote(raw.Signaling) + " is no policy", "write tls, or any for what the phone's listener has"})
		}
		if raw.Media != "" {
			mode := l.mode(place+".media", raw.Media)
			of.Media = &mode
		}
		if of.Media != nil && *of.Media != sdp.Required || raw.Plaintext != nil {
			l.plainPhones(place, fmt.Sprintf("phones.policies[%d]", i), raw.Plaintext, of.Media)
		}
		if !of.TLS && of.Media == nil {
			l.warn(place, fault{"says nothing that the listener does not say", "add signaling: tls or media, or remove it"})
		}
		l.cfg.Signaling.Accounts.Plan.Policies = append(l.cfg.Signaling.Accounts.Plan.Policies, of)
	}
}

// rollout reads who is sealed first.
func (l *loader) rollout() {
	raw := l.raw.Phones.Rollout
	if raw == nil {
		return
	}
	const place = "phones.rollout"
	r := &phonebook.Rollout{Percent: raw.Percent}
	if len(raw.Extensions) > 0 {
		r.Who = l.patterns(place, raw.Extensions)
	}
	if raw.Percent < 0 || raw.Percent > 100 {
		l.fail(place+".percent", fault{strconv.Itoa(raw.Percent) + " is no percentage", "write 0 to 100"})
	}
	switch raw.Rest {
	case "", "refuse":
		if len(raw.Extensions) == 0 && raw.Percent == 0 {
			l.warn(place, fault{"names nobody, so that every phone is refused", "add extensions or percent, or remove it"})
		}
		if raw.Plaintext != nil {
			l.fail(place+".plaintext", fault{"has no effect: the rest is refused", "write rest: plain, or remove it"})
		}
	case "plain":
		r.Rest = phonebook.Plain
		l.plainPhones(place, "phones.rollout", raw.Plaintext, nil)
	default:
		l.fail(place+".rest", fault{quote(raw.Rest) + " is no policy", "write refuse, or plain"})
	}
	l.cfg.Signaling.Accounts.Plan.Rollout = r
}

// plainPhones demands that phones in the clear are accepted, by whom and why.
func (l *loader) plainPhones(place, name string, raw *rawPlaintext, media *sdp.Mode) {
	mode := sdp.Off
	if media != nil {
		mode = *media
	}
	if p := l.plaintext(place, raw, transport.TLS, mode); p != nil {
		l.cfg.Hops = append(l.cfg.Hops, plainHop{name, transport.Phone, transport.UDP, mode, p.AcceptedBy, p.Reason})
	}
}

func (l *loader) patterns(place string, texts []string) phonebook.Patterns {
	if len(texts) == 0 {
		l.fail(place+".extensions", fault{"is missing", `name extensions, like ["101", "20*"]`})
	}
	for i, text := range texts {
		if begin := strings.TrimSuffix(text, "*"); text != "*" && (!directory.Usable(begin) || strings.Contains(begin, "*")) {
			l.fail(fmt.Sprintf("%s.extensions[%d]", place, i), fault{quote(text) + " is no extension", `write one like "101", or the beginning of several like "20*"`})
		}
	}
	return texts
}
