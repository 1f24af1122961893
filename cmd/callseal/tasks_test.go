package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// diary is what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// part is a task that writes down when it starts and stops, and fails when
// told to.
type part struct {
	name  string
	diary *diary
	ready chan struct{}
	slow  time.Duration // from start to ready
	fail  chan error    // what Run shall return
}

func newPart(name string, d *diary, slow time.Duration) part {
	return part{name, d, make(chan struct{}), slow, make(chan error)}
}

func (p part) Ready() <-chan struct{} { return p.ready }

func (p part) Run(ctx context.Context) error {
	p.diary.add(p.name + " starts")
	defer p.diary.add(p.name + " ends")
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(p.slow):
		close(p.ready)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-p.fail:
		return err
	}
}

func TestRunTasks(t *testing.T) {
	broken := errors.New("broken")
	inOrder := []string{"a starts", "b starts", "c starts", "up", "c ends", "b ends", "a ends"}
	for _, row := range []struct {
		name  string
		end   func(a, b, c part, cancel context.CancelFunc)
		want  []string
		err   error
		where string
	}{
		{"told to end", func(_, _, _ part, cancel context.CancelFunc) { time.Sleep(time.Minute); cancel() }, inOrder, nil, ""},
		{"told while it starts", func(_, _, _ part, cancel context.CancelFunc) { time.Sleep(1500 * time.Millisecond); cancel() },
			[]string{"a starts", "b starts", "b ends", "a ends"}, nil, ""},
		{"the last fails", func(_, _, c part, _ context.CancelFunc) { time.Sleep(time.Minute); c.fail <- broken }, inOrder, broken, "c: "},
		{"the first fails", func(a, _, _ part, _ context.CancelFunc) { time.Sleep(time.Minute); a.fail <- broken },
			[]string{"a starts", "b starts", "c starts", "up", "a ends", "c ends", "b ends"}, broken, "a: "},
		{"one ends by itself", func(_, b, _ part, _ context.CancelFunc) { time.Sleep(time.Minute); b.fail <- nil },
			[]string{"a starts", "b starts", "c starts", "up", "b ends", "c ends", "a ends"}, errEndedEarly, "b: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &diary{}
				a, b, c := newPart("a", d, time.Second), newPart("b", d, time.Second), newPart("c", d, time.Second)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go row.end(a, b, c, cancel) // ends before runTasks does
				err := runTasks(ctx, []namedTask{{"a", a}, {"b", b}, {"c", c}}, func() { d.add("up") })
				if !errors.Is(err, row.err) || (err != nil && !strings.HasPrefix(err.Error(), row.where)) {
					t.Errorf("error %v, want %s%v", err, row.where, row.err)
				}
				if !slices.Equal(d.lines, row.want) {
					t.Errorf("got  %q\nwant %q", d.lines, row.want)
				}
			})
		})
	}
}

func TestAwaitEnd(t *testing.T) {
	const never = 100 * time.Hour
	type signalAt struct {
		after  time.Duration
		signal os.Signal
	}
	for _, row := range []struct {
		name    string
		signals []signalAt
		drained time.Duration // how long the last call lasts after the first signal
		want    time.Duration // when the process ends
		drains  bool
	}{
		{"SIGTERM, calls end", []signalAt{{time.Minute, syscall.SIGTERM}}, 10 * time.Minute, 11 * time.Minute, true},
		{"SIGTERM, no call is up", []signalAt{{time.Minute, syscall.SIGTERM}}, 0, time.Minute, true},
		{"SIGTERM, a call goes on", []signalAt{{time.Minute, syscall.SIGTERM}}, never, 61 * time.Minute, true},
		{"SIGTERM twice", []signalAt{{time.Minute, syscall.SIGTERM}, {time.Minute, syscall.SIGTERM}}, never, 2 * time.Minute, true},
		{"SIGTERM, SIGINT", []signalAt{{time.Minute, syscall.SIGTERM}, {time.Second, os.Interrupt}}, never, 61 * time.Second, true},
		{"SIGINT", []signalAt{{time.Minute, os.Interrupt}}, never, time.Minute, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal, 2)
				go func() {
					for _, s := range row.signals {
						time.Sleep(s.after)
						signals <- s.signal
					}
				}()
				drains := false
				start := time.Now()
				awaitEnd(t.Context(), signals, func(ctx context.Context) error {
					drains = true
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(row.drained):
						return nil
					}
				}, hour, slog.New(slog.DiscardHandler))
				if got := time.Since(start); got != row.want || drains != row.drains {
					t.Errorf("ended after %s, drained %v; want %s, %v", got, drains, row.want, row.drains)
				}
			})
		})
	}
}

func TestAwaitEndWithoutSignal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	awaitEnd(ctx, nil, nil, hour, slog.New(slog.DiscardHandler)) // returns
}

func hour() time.Duration { return time.Hour }
