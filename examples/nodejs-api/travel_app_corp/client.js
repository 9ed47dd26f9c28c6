// Travel App Corp.'s app: an ordinary HTTP client. To it the API of the other company is on localhost.
const url = process.env.API_URL ?? 'http://localhost:3000/status';
const attempts = 20;
const waitMs = 2000;
const answerTimeoutMs = 10_000;

async function run() {
  for (let left = attempts - 1; left >= 0; left--) {
    try {
      console.log('Connecting ...');
      const response = await fetch(url, { signal: AbortSignal.timeout(answerTimeoutMs) });
      console.log('Response:', await response.json());
      console.log(
        '\nThe example run was successful 🥳.\n' +
          'The app made an API request to the monitoring API over an encrypted portal and got back a response.\n',
      );
      return 0;
    } catch (error) {
      console.log(error);
      if (left === 0) break;
      console.log(`Waiting for ${waitMs / 1000} seconds before attempting again...`);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
  console.log('All attempts failed.');
  return 1;
}

process.exitCode = await run();
