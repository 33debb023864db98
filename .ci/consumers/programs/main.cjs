const express = require('express');
const kit = require('@tooloo/resilience');
const { exercise } = require('./exercise.js');

void exercise(kit, express).then(() => console.log('works'));
