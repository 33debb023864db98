// The state of the page: the fleet's history, the connection, and the viewer's permissions.
import { FleetHistory } from '../model/history.ts';
import { ApiError, getJson } from './api.js';
import { Observable } from './observable.js';
import { SharedFrames } from './shared-frames.js';
import { askForToken, onTokenChange, savedToken, saveToken, shareToken, tokenAccepted } from './token.js';

class Session {
  history = new FleetHistory();
  /** Set with each frame. */
  frame = new Observable(undefined);
  /** 'connecting' | 'live' | 'lost' | 'refused' */
  connection = new Observable('connecting');
  /** { read, control }: whether the viewer may see the page, and whether the viewer may use the controls. */
  access = new Observable({ read: true, control: false });

  #source = new SharedFrames({
    onFrame: (frame) => {
      this.history.add(frame);
      this.frame.set(frame);
    },
    onState: (state) => {
      if (state !== this.connection.value) this.connection.set(state);
    },
  });

  constructor() {
    onTokenChange(() => {
      this.connection.set('connecting');
      void this.open();
    });
  }

  /** Requests the viewer's permissions, and follows the stream if reading is allowed. */
  async open() {
    try {
      const { read, control } = await getJson('/api/v1/dashboard/access');
      this.access.set({ read, control });
      if (read) tokenAccepted();
      if (!control && savedToken() === undefined) askForToken();
      if (!read) {
        // The stream of an earlier token would go on, and say that the page is live.
        this.#source.end();
        this.connection.set('refused');
        return;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // otherwise the stream reports the error and retries
    }
    this.#source.start();
  }

  /** Uses this token from now on; undefined removes the token. */
  async useToken(token) {
    saveToken(token);
    this.connection.set('connecting');
    await this.open();
    if (savedToken() === undefined || this.access.value.read) shareToken();
    return this.access.value;
  }
}

export const session = new Session();
