// What the page is about now: the fleet's history, the connection, what the viewer may do.
import { FleetHistory } from '../model/history.ts';
import { ApiError, getJson, saveToken } from './api.js';
import { FrameSource } from './event-stream.js';
import { Observable } from './observable.js';

class Session {
  history = new FleetHistory();
  /** Set with every frame. */
  frame = new Observable(undefined);
  /** 'connecting' | 'live' | 'lost' | 'refused' */
  connection = new Observable('connecting');
  /** { read, control, token }: `token` tells that one was given and is not accepted. */
  access = new Observable({ read: true, control: false });

  #source = new FrameSource({
    onFrame: (frame) => {
      this.history.add(frame);
      this.frame.set(frame);
    },
    onState: (state) => {
      if (state !== this.connection.value) this.connection.set(state);
    },
  });

  /** Asks what the viewer may do, and follows the stream where it may be seen. */
  async open() {
    try {
      const { read, control } = await getJson('/api/v1/dashboard/access');
      this.access.set({ read, control });
      if (!read) {
        this.connection.set('refused');
        return;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // else the stream below tells it, and tries again
    }
    this.#source.start();
  }

  /** Takes a token into use, or none. */
  async useToken(token) {
    saveToken(token);
    this.connection.set('connecting');
    await this.open();
    return this.access.value;
  }
}

export const session = new Session();
