package directory

import (
	"slices"

	"callseal/signaling/auth"
	"callseal/signaling/phonebook"
	"callseal/signaling/registrar"
)

// defaultSecret is the conf_secret of a new phone in VICIdial.
const defaultSecret = "test"

// found is a copy of the phones.
type found struct {
	Accounts []phonebook.Account
	counts
}

// counts are what there is to say of it: numbers, and no names.
type counts struct {
	Phones, Accounts, Aliases                               int
	DefaultSecrets, NoSecret, NoDialer, Differing, Odd, Cut int
}

// maker is what it takes to make accounts of rows.
type maker struct {
	secrets bool
	realm   string
	dialer  func(address string) string
}

// accounts are being made; order has them as they came.
type accounts struct {
	by    map[string]*phonebook.Account
	order []string
}

func (a *accounts) of(user string) *phonebook.Account {
	if a.by[user] == nil {
		a.by[user] = &phonebook.Account{User: user}
		a.order = append(a.order, user)
	}
	return a.by[user]
}

// copy makes accounts of rows: an extension is one phone, at all servers that have it.
func (t *tables) copy(m maker) found {
	r := found{counts: counts{Phones: len(t.phones), Cut: t.cut}}
	all := accounts{by: map[string]*phonebook.Account{}}
	lines := make([]phonebook.Line, len(t.phones)) // of each row; zero where there is none
	secrets := map[string]string{}
	for i, p := range t.phones {
		switch lines[i] = t.line(p, m); {
		case !Usable(p.extension):
			r.Odd++
			lines[i] = phonebook.Line{}
			continue
		case lines[i].Dialer == "":
			if !t.inactive[p.server] {
				r.NoDialer++
			}
			continue
		}
		r.judge(p.secret, m.secrets)
		a := all.of(p.extension)
		a.Lines = add(a.Lines, lines[i])
		if first, ok := secrets[p.extension]; !ok {
			secrets[p.extension], a.Keys = p.secret, lines[i].Keys
		} else if first != p.secret {
			r.Differing++
		}
	}
	for _, al := range t.aliases {
		if t.alias(&all, al, lines, secrets, m) {
			r.Aliases++
		}
	}
	for _, user := range all.order {
		r.Accounts = append(r.Accounts, *all.by[user])
	}
	r.counts.Accounts = len(r.Accounts)
	return r
}

// alias gives who registers as an alias, or as the extension of one of its logins, all lines of the alias; false where it has none. Its
// password is that of its first login.
func (t *tables) alias(all *accounts, al alias, lines []phonebook.Line, secrets map[string]string, m maker) bool {
	var its []phonebook.Line
	var users []string
	for i, p := range t.phones {
		if lines[i].Dialer != "" && slices.Contains(al.logins, p.login) {
			its, users = add(its, lines[i]), append(users, p.extension)
		}
	}
	if len(its) == 0 || !Usable(al.id) {
		return false
	}
	a := all.of(al.id)
	if a.Keys.IsZero() {
		a.Keys = keys(al.id, secrets[users[0]], m)
	}
	for _, user := range append(users, al.id) {
		for _, l := range its {
			all.of(user).Lines = add(all.of(user).Lines, l)
		}
	}
	return true
}

// line places a row; the zero Line where its server is no dialer here, or is switched off.
func (t *tables) line(p phone, m maker) phonebook.Line {
	if t.inactive[p.server] {
		return phonebook.Line{}
	}
	dialer := m.dialer(p.server)
	if external := t.external[p.server]; dialer == "" && external != "" {
		dialer = m.dialer(external)
	}
	return phonebook.Line{Dialer: dialer, User: p.extension, Keys: keys(p.extension, p.secret, m)}
}

func (r *found) judge(secret string, wanted bool) {
	switch {
	case !wanted:
	case secret == "":
		r.NoSecret++
	case secret == defaultSecret:
		r.DefaultSecrets++
	}
}

// keys are all that is kept of a password. None, where there is none.
func keys(user, secret string, m maker) auth.Keys {
	if secret == "" || !m.secrets {
		return auth.Keys{}
	}
	return auth.NewKeys(user, m.realm, auth.NewSecret(secret))
}

// add appends a line that is not there yet.
func add(lines []phonebook.Line, l phonebook.Line) []phonebook.Line {
	if slices.ContainsFunc(lines, func(o phonebook.Line) bool { return o.Dialer == l.Dialer && o.User == l.User }) {
		return lines
	}
	return append(lines, l)
}

// Usable tells what is an extension: what a phone can register as.
func Usable(user string) bool { return registrar.IsUser(user) }
