package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"callseal/signaling/header"
	"callseal/signaling/transport"
)

// numbers reads what becomes of the numbers of a trunk's calls.
func (l *loader) numbers(place string, role transport.Role, raw rawNumbers) header.Numbers {
	plan := header.Plan{Country: raw.Country, National: raw.National, International: raw.International}
	for _, code := range []struct {
		key, text string
		longest   int
	}{{"country", raw.Country, 3}, {"national", raw.National, 4}, {"international", raw.International, 5}} {
		if strings.Trim(code.text, "0123456789") != "" || len(code.text) > code.longest {
			l.fail(place+"."+code.key, fault{quote(code.text) + " is none", fmt.Sprintf("write up to %d digits, without +", code.longest)})
		}
	}
	pair := func(place string, raw rawPair, format header.Format) header.Pair {
		return header.Pair{
			Called: l.rewriter(place+".called", raw.Called, plan, format),
			Caller: l.rewriter(place+".caller", raw.Caller, plan, format),
		}
	}
	toward := header.AsItComes
	if role == transport.Dialer { // VICIdial's DIDs and lists have no +
		toward = header.Digits
	}
	return header.Numbers{In: pair(place+".in", raw.In, header.AsItComes), Out: pair(place+".out", raw.Out, toward)}
}

// rewriter reads what becomes of one number; nil where that is nothing. format
// is the default.
func (l *loader) rewriter(place string, raw rawRewriter, plan header.Plan, format header.Format) *header.Rewriter {
	r := &header.Rewriter{Strip: raw.Strip, Format: format, Prepend: raw.Prepend, Plan: plan}
	if raw.Strip < 0 || raw.Strip > 15 {
		l.fail(place+".strip", fault{strconv.Itoa(raw.Strip) + " digits are out of bounds", "write 0 to 15"})
	}
	if raw.Format != "" {
		f, err := header.ParseFormat(raw.Format)
		if err != nil {
			l.fail(place+".format", fault{quote(raw.Format) + " is no format", "write as_it_comes, plus, digits or national"})
		}
		r.Format = f
	}
	if (r.Format == header.Plus || r.Format == header.National) && plan.Country == "" {
		l.fail(place+".format", fault{r.Format.String() + " needs a country code", `add country to numbers, like "1"`})
	}
	if raw.Prepend != "" && !header.IsDialable(raw.Prepend) {
		l.fail(place+".prepend", fault{quote(raw.Prepend) + " cannot be dialled", "write digits, * and #, and a + at most at its beginning"})
	}
	for i, rw := range raw.Rewrite {
		if rewrite, ok := l.rewrite(fmt.Sprintf("%s.rewrite[%d]", place, i), rw); ok {
			r.Rewrites = append(r.Rewrites, rewrite)
		}
	}
	if raw.Strip == 0 && r.Format == header.AsItComes && raw.Prepend == "" && len(raw.Rewrite) == 0 {
		return nil
	}
	return r
}

func (l *loader) rewrite(place string, raw rawRewrite) (header.Rewrite, bool) {
	if raw.Match == "" {
		l.fail(place+".match", fault{"is missing", `write an expression for the whole number, like "1([0-9]{10})"`})
		return header.Rewrite{}, false
	}
	rewrite, err := header.NewRewrite(raw.Match, raw.Replace)
	switch {
	case err == nil:
	case errors.Is(err, header.ErrMatch):
		l.fail(place+".match", fault{quote(raw.Match) + " " + err.Error(), "write RE2 syntax, in single quotes"})
	case errors.Is(err, header.ErrGroup):
		l.fail(place+".replace", fault{quote(raw.Replace) + " " + err.Error(), "write ${1}, ${2}, ... for the groups in brackets of match"})
	default:
		l.fail(place+".replace", fault{quote(raw.Replace) + " is no number", "write what may stand before the @ of a SIP address, with ${1} for a group of match"})
	}
	return rewrite, err == nil
}

// callerID reads who calls, and how a trunk is told; nil where nothing is said.
func (l *loader) callerID(place string, role transport.Role, raw rawCallerID) *header.CallerID {
	id := header.CallerID{Anonymous: raw.Anonymous}
	id.Sources = l.callerSources(place+".source", raw.Source)
	if raw.Send != nil {
		id.Send = append([]header.Source{}, l.callerSources(place+".send", raw.Send)...)
	}
	for i, s := range id.Send {
		if s == header.From {
			l.fail(fmt.Sprintf("%s.send[%d]", place, i), fault{"From is always sent", "write pai, rpid, both or none of them"})
		}
	}
	if role == transport.Dialer && len(id.Send) > 0 {
		l.fail(place+".send", fault{"is never sent to a dialer", "remove it: it would overwrite the name that VICIdial keys the call by"})
	}
	if role == transport.Dialer && id.Anonymous {
		l.warn(place+".anonymous", fault{"hides callers from the agents", "remove it where they may see a withheld number"})
	}
	for i, text := range raw.Extensions {
		at := fmt.Sprintf("%s.extensions[%d]", place, i)
		re, err := header.Whole(text)
		switch {
		case err != nil:
			l.fail(at, fault{quote(text) + " is no regular expression: " + err.Error(), "write an extension, or an RE2 expression for some"})
		case role != transport.Dialer:
			l.fail(at, fault{"only dialers have phones", "remove it"})
		default:
			id.Extensions = append(id.Extensions, re)
		}
	}
	if len(raw.Source)+len(raw.Extensions) == 0 && raw.Send == nil && !raw.Anonymous {
		return nil
	}
	return &id
}

func (l *loader) callerSources(place string, names []string) []header.Source {
	var all []header.Source
	for i, name := range names {
		s, err := header.ParseSource(name)
		if err != nil {
			l.fail(fmt.Sprintf("%s[%d]", place, i), fault{quote(name) + " is no header that names a caller", "write from, pai or rpid"})
			continue
		}
		all = append(all, s)
	}
	return all
}
