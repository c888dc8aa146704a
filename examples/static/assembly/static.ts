/** The files of a directory over HTTP, with epoll and a graceful end. */

import { EpollPoller, Signal, SignalListener, exit } from 'sandpoll/guest';
import { Site, openSite } from './site';

/** Lets what is under way be sent; then there is nothing left to wait for. */
class Stop extends SignalListener {
  private site: Site;

  constructor(site: Site) {
    super(site.loop, [Signal.TERM, Signal.INT]);
    this.site = site;
  }

  onSignal(signal: i32): void {
    this.site.drain();
    this.close();
  }
}

const site = openSite(new EpollPoller());
new Stop(site);
exit(-site.loop.run());
