package main

import (
	"fmt"
	"os"
	"time"
)

// Checks counts what passed and what failed, and says it as the other clients do.
type Checks struct {
	name           string
	passed, failed int
}

func (c *Checks) check(what string, body func() error) {
	began := time.Now()
	if err := body(); err != nil {
		c.failed++
		fmt.Printf("  FAILED %s: %s\n%v\n", c.name, what, err)
		return
	}
	c.passed++
	fmt.Printf("  ok     %s: %s (%.1f s)\n", c.name, what, time.Since(began).Seconds())
}

func (c *Checks) done() {
	fmt.Printf("%s: %d passed, %d failed\n", c.name, c.passed, c.failed)
	if c.failed > 0 {
		os.Exit(1)
	}
}
