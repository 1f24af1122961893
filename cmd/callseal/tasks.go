package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// task is a part of the process that runs until its context ends.
type task interface {
	Run(ctx context.Context) error
	// Ready is closed when what builds on this task may start.
	Ready() <-chan struct{}
}

// namedTask is a task and what its errors begin with.
type namedTask struct {
	name string
	task
}

var errEndedEarly = errors.New("ended by itself")

// runTasks starts the tasks in order, each when the one before it is ready,
// and calls up when all are. When ctx or a task ends, it ends the others in
// the opposite order, each when all that build on it have ended. It returns
// when every one has.
func runTasks(ctx context.Context, tasks []namedTask, up func()) error {
	if len(tasks) == 0 {
		up()
		<-ctx.Done()
		return nil
	}
	first := tasks[0]
	own, endOwn := context.WithCancel(context.WithoutCancel(ctx))
	rest, endRest := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		defer endRest() // nothing goes on without it
		err := first.Run(own)
		switch {
		case own.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
			return nil
		case err == nil:
			err = errEndedEarly
		}
		return fmt.Errorf("%s: %w", first.name, err)
	})
	g.Go(func() error {
		defer endOwn()
		select {
		case <-first.Ready():
			return runTasks(rest, tasks[1:], up)
		case <-rest.Done():
			return nil
		}
	})
	return g.Wait()
}
