// The echo server in Go, for net-echo. It speaks the contestants' language: see contestant.rs.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"syscall"
)

func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				panic(err)
			}
			go echo(connection)
		}
	}()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	requests := bufio.NewScanner(os.Stdin)
	for requests.Scan() {
		var usage syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
		fmt.Println(usage.Utime.Nano() + usage.Stime.Nano())
	}
}
