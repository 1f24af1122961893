package locate

import (
	"container/list"
	"sync"
	"time"
)

// What is kept, and for how long.
const (
	maxEntries  = 4096             // questions remembered; the one that was needed longest ago is forgotten
	maxTTL      = 24 * time.Hour   // an answer, whatever it says
	maxNegative = 5 * time.Minute  // that there is none; RFC 2308 section 5 allows hours, but an administrator adds records and waits
	retryStale  = 30 * time.Second // after a failure, before a stale answer is asked for again (RFC 8767 section 5)
	retryFailed = 5 * time.Second  // the same where there is none
)

// freshness says what a remembered answer is worth.
type freshness uint8

const (
	absent freshness = iota // nothing is known
	fresh                   // as good as asked for now
	stale                   // to be asked for again, and used where that fails
	held                    // stale, and asked for in vain a moment ago
)

// entry is what is known of a question.
type entry struct {
	question question
	answer   answer
	err      error     // there is none, or could not be had
	until    time.Time // fresh before
	usable   time.Time // stale before
	retry    time.Time // not asked for again before
}

// cache remembers answers. Time is an argument.
type cache struct {
	mu      sync.Mutex    // guards the rest
	stale   time.Duration // how long answers are used beyond their time
	entries map[question]*list.Element
	recent  *list.List // of *entry, the one needed last in front
}

func newCache(stale time.Duration) *cache {
	return &cache{stale: stale, entries: map[question]*list.Element{}, recent: list.New()}
}

// look gives what is known of a question.
func (c *cache) look(q question, now time.Time) (answer, freshness, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.entries[q]
	if at == nil {
		return answer{}, absent, nil
	}
	c.recent.MoveToFront(at)
	e := at.Value.(*entry)
	switch {
	case now.Before(e.until):
		return e.answer, fresh, e.err
	case now.Before(e.usable) && now.Before(e.retry):
		return e.answer, held, e.err
	case now.Before(e.usable):
		return e.answer, stale, e.err
	}
	c.drop(at)
	return answer{}, absent, nil
}

// keep remembers an answer, or with err that there is none. An answer of ttl 0 is no longer fresh at once.
func (c *cache) keep(q question, a answer, err error, ttl time.Duration, now time.Time) {
	most := maxTTL
	if err != nil {
		most = maxNegative
	}
	until := now.Add(min(ttl, most))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(&entry{question: q, answer: a, err: err, until: until, usable: until.Add(c.stale)})
}

// fail remembers that nobody answered: what is known stays as it is.
func (c *cache) fail(q question, err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.entries[q]; at != nil {
		if e := at.Value.(*entry); now.Before(e.usable) {
			e.retry = now.Add(retryStale)
			return
		}
	}
	until := now.Add(retryFailed)
	c.put(&entry{question: q, err: err, until: until, usable: until})
}

// put takes an entry in the place of the one that is there; the caller holds mu.
func (c *cache) put(e *entry) {
	if at := c.entries[e.question]; at != nil {
		at.Value = e
		c.recent.MoveToFront(at)
		return
	}
	if len(c.entries) >= maxEntries {
		c.drop(c.recent.Back())
	}
	c.entries[e.question] = c.recent.PushFront(e)
}

// drop forgets an entry; the caller holds mu.
func (c *cache) drop(at *list.Element) {
	delete(c.entries, at.Value.(*entry).question)
	c.recent.Remove(at)
}
