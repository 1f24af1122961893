package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// API is what the JSON pages show. Its methods are called from many
// goroutines, and give what is true now.
type API interface {
	// Calls are up to Page.Most calls behind the ID Page.After, in the order of
	// their IDs, and the ID behind which there are more, or "".
	Calls(ctx context.Context, p Page) (list []Call, next string)
	Phones() []Phone
	Trunks() []Trunk
	Bans() []Ban
	Configuration() Configuration
}

// Page is a part of a list.
type Page struct {
	After string
	Most  int
}

// The size of an answer.
const (
	defaultPage = 100
	longestPage = 1000
	// askTimeout is how long an answer waits for the calls that it shows.
	askTimeout = 2 * time.Second
)

// Root is where the API's pages stand.
const Root = "/api/v1/"

// resource is one page of the API.
type resource struct {
	name   string
	what   string   // for docs/api.md
	params []string // that it takes
	answer any      // an empty one
	serve  func(context.Context, API, query) any
}

// query are the parameters of a request.
type query struct {
	Page
	values url.Values
}

func (q query) has(name string) bool { return q.values.Has(name) }

// resources are all pages; docs/api.md lists them.
var resources = []resource{
	{"calls", "Calls that are up or being set up.", paged, Calls{}, serveCalls},
	{"phones", "Phones that have registered. sealed= is true or false, dialer= a name, user_agent= what it begins with, rollout= a stage, line= a state that one of its lines has.",
		append(paged, "sealed", "dialer", "user_agent", "rollout", "line"),
		Phones{}, servePhones},
	{"trunks", "Dialers and carriers.", nil, Trunks{}, func(_ context.Context, a API, _ query) any { return Trunks{orEmpty(a.Trunks())} }},
	{"bans", "Addresses of which nothing is taken.", paged, Bans{}, serveBans},
	{"config", "The configuration that is in effect, and how the latest reload went.", nil, Configuration{},
		func(_ context.Context, a API, _ query) any { return a.Configuration() }},
}

var paged = []string{"after", "limit"}

func serveCalls(ctx context.Context, a API, q query) any {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	calls, next := a.Calls(ctx, q.Page)
	return Calls{orEmpty(calls), next}
}

// mostAgents bounds the answer: phones may say what they like.
const mostAgents = 100

func servePhones(_ context.Context, a API, q query) any {
	all := a.Phones()
	wanted := slices.DeleteFunc(slices.Clone(all), func(p Phone) bool {
		return q.has("sealed") && q.values.Get("sealed") != strconv.FormatBool(p.Sealed) ||
			q.has("dialer") && q.values.Get("dialer") != p.Dialer ||
			q.has("rollout") && q.values.Get("rollout") != p.Stage ||
			q.has("line") && !slices.ContainsFunc(p.Lines, func(l Line) bool { return l.State == q.values.Get("line") }) ||
			!strings.HasPrefix(p.UserAgent, q.values.Get("user_agent"))
	})
	phones, next := page(wanted, q.Page, func(p Phone) string { return p.AOR + " " + p.Address + " " + p.Contact })
	return Phones{phones, next, agents(all)}
}

// agents counts phones by what they say that they are.
func agents(all []Phone) []Agent {
	counts := map[string]*Agent{}
	for _, p := range all {
		n := counts[p.UserAgent]
		if n == nil {
			n = &Agent{UserAgent: p.UserAgent}
			counts[p.UserAgent] = n
		}
		if p.Sealed {
			n.Sealed++
		} else {
			n.Plain++
		}
	}
	list := []Agent{}
	for _, n := range counts {
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b Agent) int {
		return cmp.Or(cmp.Compare(b.Sealed+b.Plain, a.Sealed+a.Plain), cmp.Compare(a.UserAgent, b.UserAgent))
	})
	return list[:min(len(list), mostAgents)]
}

func serveBans(_ context.Context, a API, q query) any {
	key := func(b Ban) string { return b.Address + " " + b.Transports }
	bans, next := page(a.Bans(), q.Page, key)
	return Bans{bans, next}
}

// page cuts the page out of a list that is whole, in the order of its keys.
func page[T any](list []T, p Page, key func(T) string) (part []T, next string) {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	list = slices.DeleteFunc(list, func(x T) bool { return p.After != "" && key(x) <= p.After })
	if len(list) > p.Most {
		list = list[:p.Most]
		next = key(list[p.Most-1])
	}
	return orEmpty(list), next
}

// orEmpty makes [] of nil, for those who count.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// handle serves one page.
func (r *resource) handle(a API) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		q, err := r.parse(req.URL.RawQuery)
		if err != nil {
			reply(w, http.StatusBadRequest, Fault{err.Error()})
			return
		}
		reply(w, http.StatusOK, r.serve(req.Context(), a, q))
	}
}

// parse reads the parameters; what is not known is told, lest a filter that is
// misspelt shows everything.
func (r *resource) parse(raw string) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, errors.New("the query cannot be read")
	}
	q := query{Page{values.Get("after"), defaultPage}, values}
	for name, all := range values {
		if !slices.Contains(r.params, name) || len(all) > 1 {
			return query{}, fmt.Errorf("parameter %.40q is unknown here, or there twice; known are %q", name, r.params)
		}
	}
	if sealed := values.Get("sealed"); values.Has("sealed") && sealed != "true" && sealed != "false" {
		return query{}, errors.New("sealed has to be true or false")
	}
	if text := values.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > longestPage {
			return query{}, fmt.Errorf("limit has to be 1 to %d", longestPage)
		}
		q.Most = n
	}
	return q, nil
}

func reply(w http.ResponseWriter, status int, what any) {
	text, err := json.MarshalIndent(what, "", "  ")
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error": "internal fault"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client is gone: nothing to tell it
}
