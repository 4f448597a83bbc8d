package main

import (
	"context"
	"errors"
)

func short(context.Context, []string) error { return errors.New("not yet") }
