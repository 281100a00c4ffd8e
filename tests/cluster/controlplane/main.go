// A Kubernetes control plane for tests, in one program: etcd and kube-apiserver, or kube-controller-manager.
//
//	ETCD_DIR=FOLDER ETCD_LISTEN=URL controlplane --etcd-servers=URL …
//	controlplane controller-manager …
package main

import (
	"fmt"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

const etcdStarts = 30 * time.Second

// etcd keeps nothing that must outlive the process, so that it needn't wait for the disk.
func etcd(dir, listen string) (*embed.Etcd, error) {
	clients, err := url.Parse(listen)
	if err != nil {
		return nil, err
	}
	peers := url.URL{Scheme: "unix", Path: dir + "-peers.sock:0"}
	config := embed.NewConfig()
	config.Dir, config.LogLevel, config.UnsafeNoFsync = dir, "error", true
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*clients}, []url.URL{*clients}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
		return server, nil
	case <-time.After(etcdStarts):
		server.Close()
		return nil, fmt.Errorf("etcd isn't ready after %v", etcdStarts)
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "controller-manager" {
		os.Args = os.Args[1:]
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	}
	server, err := etcd(os.Getenv("ETCD_DIR"), os.Getenv("ETCD_LISTEN"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := cli.Run(apiserver.NewAPIServerCommand())
	server.Close()
	os.Exit(code)
}
