/** All that one I/O guest serves: it ends when nobody can come any more, and all have gone. */

import { EventLoop } from 'sandpoll/guest';
import { Connection } from './connection';
import { Links } from './links';

export class Crowd {
  readonly links: Links;
  private intakes: i32 = 0;
  private connections: i32 = 0;

  constructor(readonly loop: EventLoop) {
    this.links = new Links(loop);
  }

  /** One more channel by which connections come. */
  addIntake(): void {
    this.intakes += 1;
  }

  /** Once no more connections can come, those that are here end with their last answers. */
  endIntake(): void {
    this.intakes -= 1;
    if (this.intakes > 0) return;
    for (let slot = 0; slot < this.loop.slotCount; slot++) {
      const handler = this.loop.handlerAt(slot);
      if (handler instanceof Connection) (handler as Connection).drain();
    }
    this.endIfDone();
  }

  enter(): void {
    this.connections += 1;
  }

  leave(): void {
    this.connections -= 1;
    this.endIfDone();
  }

  private endIfDone(): void {
    if (this.intakes == 0 && this.connections == 0) this.links.close();
  }
}
