<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
    <context>
        <name>desktop</name>
        <message>
            <source>Unforeseen fault, see the log: {error}</source>
            <translation>Unerwarteter Fehler, siehe Protokoll: {error}</translation>
        </message>
        <message>
            <source>Pass</source>
            <translation>Gut</translation>
        </message>
        <message>
            <source>Reject</source>
            <translation>Ausschuss</translation>
        </message>
        <message>
            <source>Review</source>
            <translation>Prüfen</translation>
        </message>
        <message>
            <source>Not inspected</source>
            <translation>Nicht geprüft</translation>
        </message>
        <message>
            <source>In work</source>
            <translation>In Arbeit</translation>
        </message>
        <message>
            <source>Picture of the part</source>
            <translation>Bild des Teils</translation>
        </message>
        <message>
            <source>no probability</source>
            <translation>keine Wahrscheinlichkeit</translation>
        </message>
        <message>
            <source>Defect probability {value}</source>
            <translation>Fehlerwahrscheinlichkeit {value}</translation>
        </message>
        <message>
            <source>accept what the machine said</source>
            <translation>dem Urteil der Maschine zustimmen</translation>
        </message>
        <message>
            <source>overrule it: a defective part is good; of a good one choose the defect</source>
            <translation>das Urteil umkehren: ein fehlerhaftes Teil ist gut; bei einem guten den Fehler wählen</translation>
        </message>
        <message>
            <source>the part is good</source>
            <translation>das Teil ist gut</translation>
        </message>
        <message>
            <source>the part has the defect of that number</source>
            <translation>das Teil hat den Fehler mit dieser Nummer</translation>
        </message>
        <message>
            <source>write a note; Enter leaves it</source>
            <translation>Notiz schreiben; Eingabe beendet sie</translation>
        </message>
        <message>
            <source>skip the part</source>
            <translation>das Teil überspringen</translation>
        </message>
        <message>
            <source>undo the last label: the part comes back, your next answer replaces it</source>
            <translation>letzte Antwort zurücknehmen: das Teil kommt zurück, die nächste Antwort ersetzt sie</translation>
        </message>
        <message>
            <source>move, box, polygon, brush, eraser</source>
            <translation>Verschieben, Rechteck, Vieleck, Pinsel, Radierer</translation>
        </message>
        <message>
            <source>smaller and larger brush</source>
            <translation>Pinsel kleiner und größer</translation>
        </message>
        <message>
            <source>undo and redo drawing</source>
            <translation>Zeichnung zurück und wieder vor</translation>
        </message>
        <message>
            <source>zoom, whole picture, actual size</source>
            <translation>vergrößern, ganzes Bild, Originalgröße</translation>
        </message>
        <message>
            <source>Arrows</source>
            <translation>Pfeile</translation>
        </message>
        <message>
            <source>move the picture</source>
            <translation>das Bild verschieben</translation>
        </message>
        <message>
            <source>show or hide what the network found</source>
            <translation>Funde des Netzes zeigen oder verbergen</translation>
        </message>
        <message>
            <source>go to a screen</source>
            <translation>zu einer Ansicht wechseln</translation>
        </message>
        <message>
            <source>lock the window</source>
            <translation>das Fenster sperren</translation>
        </message>
        <message>
            <source>Newest kept picture: part {number}</source>
            <translation>Neuestes gespeichertes Bild: Teil {number}</translation>
        </message>
        <message>
            <source>Findings</source>
            <translation>Funde</translation>
        </message>
        <message>
            <source>Live picture</source>
            <translation>Livebild</translation>
        </message>
        <message>
            <source>Part {number}</source>
            <translation>Teil {number}</translation>
        </message>
        <message>
            <source>No part yet</source>
            <translation>Noch kein Teil</translation>
        </message>
        <message>
            <source>{rate} / min</source>
            <translation>{rate} / min</translation>
        </message>
        <message>
            <source>The picture cannot be shown: {error}</source>
            <translation>Das Bild kann nicht gezeigt werden: {error}</translation>
        </message>
        <message>
            <source>RATE</source>
            <translation>TAKT</translation>
        </message>
        <message>
            <source>YIELD</source>
            <translation>GUTANTEIL</translation>
        </message>
        <message>
            <source>FOR REVIEW</source>
            <translation>ZU PRÜFEN</translation>
        </message>
        <message>
            <source>State: {state}</source>
            <translation>Zustand: {state}</translation>
        </message>
        <message>
            <source>Live</source>
            <translation>Live</translation>
        </message>
        <message>
            <source>No station has run on this database yet.</source>
            <translation>In dieser Datenbank ist noch keine Station gelaufen.</translation>
        </message>
        <message>
            <source>No picture of this run was kept yet.</source>
            <translation>Von diesem Lauf ist noch kein Bild gespeichert.</translation>
        </message>
        <message>
            <source>Live picture of {camera}, {age} s old</source>
            <translation>Livebild von {camera}, {age} s alt</translation>
        </message>
        <message>
            <source>No live picture: {error}</source>
            <translation>Kein Livebild: {error}</translation>
        </message>
        <message>
            <source>NEWEST PART</source>
            <translation>NEUESTES TEIL</translation>
        </message>
        <message>
            <source>HEALTH</source>
            <translation>ZUSTAND</translation>
        </message>
        <message>
            <source>no warning in this run</source>
            <translation>keine Warnung in diesem Lauf</translation>
        </message>
        <message>
            <source>The last {count} parts, {diverted} of them no pass</source>
            <translation>Die letzten {count} Teile, davon {diverted} nicht gut</translation>
        </message>
        <message>
            <source>{count} of the last {n} passed</source>
            <translation>{count} der letzten {n} sind gut</translation>
        </message>
        <message>
            <source>at least {share} % with 95 % confidence</source>
            <translation>mindestens {share} % bei 95 % Konfidenz</translation>
        </message>
        <message>
            <source>ended without saying so, found at {time}</source>
            <translation>ohne Abmeldung beendet, bemerkt um {time}</translation>
        </message>
        <message>
            <source>nothing heard from the station since {time}: {words}; it is tried again every 2 s</source>
            <translation>von der Station nichts gehört seit {time}: {words}; alle 2 s ein neuer Versuch</translation>
        </message>
        <message>
            <source>What you see is of {time}: {error}. It is tried again every second; nothing is needed from you.</source>
            <translation>Stand von {time}: {error}. Jede Sekunde ein neuer Versuch; Sie müssen nichts tun.</translation>
        </message>
        <message>
            <source>running since {time}</source>
            <translation>läuft seit {time}</translation>
        </message>
        <message>
            <source>stopped at {time}</source>
            <translation>beendet um {time}</translation>
        </message>
        <message>
            <source>failure</source>
            <translation>Ausfall</translation>
        </message>
        <message>
            <source>function check</source>
            <translation>Funktionskontrolle</translation>
        </message>
        <message>
            <source>out of specification</source>
            <translation>außerhalb der Spezifikation</translation>
        </message>
        <message>
            <source>maintenance required</source>
            <translation>Wartungsbedarf</translation>
        </message>
        <message>
            <source>good</source>
            <translation>gut</translation>
        </message>
        <message>
            <source>heard live from the station</source>
            <translation>live von der Station</translation>
        </message>
        <message>
            <source>the start</source>
            <translation>dem Start</translation>
        </message>
        <message>
            <source>no part has a verdict yet</source>
            <translation>noch kein Teil hat ein Urteil</translation>
        </message>
        <message>
            <source>Accept</source>
            <translation>Zustimmen</translation>
        </message>
        <message>
            <source>Overrule</source>
            <translation>Umkehren</translation>
        </message>
        <message>
            <source>Note (N)</source>
            <translation>Notiz (N)</translation>
        </message>
        <message>
            <source>Skip</source>
            <translation>Überspringen</translation>
        </message>
        <message>
            <source>Undo label</source>
            <translation>Zurücknehmen</translation>
        </message>
        <message>
            <source>Blind</source>
            <translation>Blind</translation>
        </message>
        <message>
            <source>What do you see?</source>
            <translation>Was sehen Sie?</translation>
        </message>
        <message>
            <source>What the machine said is shown after your answer.</source>
            <translation>Das Urteil der Maschine erscheint nach Ihrer Antwort.</translation>
        </message>
        <message>
            <source>Last label: {said}</source>
            <translation>Letzte Antwort: {said}</translation>
        </message>
        <message>
            <source>The picture cannot be shown: {error}
Skip this part (S), or ask for the station's image folder.</source>
            <translation>Das Bild kann nicht gezeigt werden: {error}
Überspringen Sie das Teil (S), oder fragen Sie nach dem Bilderordner der Station.</translation>
        </message>
        <message>
            <source>{waiting} waiting  ·  {labelled} labelled by you</source>
            <translation>{waiting} warten  ·  {labelled} von Ihnen beurteilt</translation>
        </message>
        <message>
            <source>Reading the picture ...</source>
            <translation>Das Bild wird gelesen ...</translation>
        </message>
        <message>
            <source>No picture of this part was kept.</source>
            <translation>Von diesem Teil ist kein Bild gespeichert.</translation>
        </message>
        <message>
            <source>Nothing waits for you. New parts appear here by themselves.</source>
            <translation>Nichts wartet auf Sie. Neue Teile erscheinen hier von selbst.</translation>
        </message>
        <message>
            <source>Part {number}: {label}</source>
            <translation>Teil {number}: {label}</translation>
        </message>
        <message>
            <source>No network judged this part.</source>
            <translation>Kein Netz hat dieses Teil beurteilt.</translation>
        </message>
        <message>
            <source>The machine leans to {label}</source>
            <translation>Die Maschine neigt zu {label}</translation>
        </message>
        <message>
            <source>The machine says {label}</source>
            <translation>Die Maschine sagt {label}</translation>
        </message>
        <message>
            <source>Which defect is it? Press its number.</source>
            <translation>Welcher Fehler ist es? Drücken Sie seine Nummer.</translation>
        </message>
        <message>
            <source>This part is judged blind: say what it is, G for good or the number of the defect.</source>
            <translation>Dieses Teil wird blind beurteilt: G für gut oder die Nummer des Fehlers.</translation>
        </message>
        <message>
            <source>No network judged this part: say what it is, G for good or the number of the defect.</source>
            <translation>Kein Netz hat dieses Teil beurteilt: G für gut oder die Nummer des Fehlers.</translation>
        </message>
        <message>
            <source>Your role does not label parts.</source>
            <translation>Ihre Rolle beurteilt keine Teile.</translation>
        </message>
        <message>
            <source>{error}
Nothing that you typed or drew is lost.</source>
            <translation>{error}
Nichts Getipptes oder Gezeichnetes ist verloren.</translation>
        </message>
        <message>
            <source>Somebody asked for a label</source>
            <translation>Jemand bittet um eine Antwort</translation>
        </message>
        <message>
            <source>Repeat: labelled before, shown again blind</source>
            <translation>Wiederholung: schon beurteilt, noch einmal blind</translation>
        </message>
        <message>
            <source>Audit: drawn at random, judged blind</source>
            <translation>Stichprobe: zufällig gezogen, blind beurteilt</translation>
        </message>
        <message>
            <source>The machine could not decide</source>
            <translation>Die Maschine konnte nicht entscheiden</translation>
        </message>
        <message>
            <source>Rejected, close to the limit</source>
            <translation>Ausschuss, nahe an der Grenze</translation>
        </message>
        <message>
            <source>Rejected</source>
            <translation>Ausschuss</translation>
        </message>
        <message>
            <source>the machine had said {label}</source>
            <translation>die Maschine hatte {label} gesagt</translation>
        </message>
        <message>
            <source>lot</source>
            <translation>Los</translation>
        </message>
        <message>
            <source>serial</source>
            <translation>Seriennummer</translation>
        </message>
        <message>
            <source>Move</source>
            <translation>Schieben</translation>
        </message>
        <message>
            <source>Box</source>
            <translation>Rechteck</translation>
        </message>
        <message>
            <source>Polygon</source>
            <translation>Vieleck</translation>
        </message>
        <message>
            <source>Brush</source>
            <translation>Pinsel</translation>
        </message>
        <message>
            <source>Eraser</source>
            <translation>Radierer</translation>
        </message>
        <message>
            <source>Undo</source>
            <translation>Zurück</translation>
        </message>
        <message>
            <source>Redo</source>
            <translation>Vor</translation>
        </message>
        <message>
            <source>Clear</source>
            <translation>Leeren</translation>
        </message>
        <message>
            <source>Contrast</source>
            <translation>Kontrast</translation>
        </message>
        <message>
            <source>Gamma</source>
            <translation>Gamma</translation>
        </message>
        <message>
            <source>Whole</source>
            <translation>Ganz</translation>
        </message>
        <message>
            <source>1:1</source>
            <translation>1:1</translation>
        </message>
        <message>
            <source>operator</source>
            <translation>Bediener</translation>
        </message>
        <message>
            <source>process engineer</source>
            <translation>Prozessingenieur</translation>
        </message>
        <message>
            <source>quality engineer</source>
            <translation>Qualitätsingenieur</translation>
        </message>
        <message>
            <source>administrator</source>
            <translation>Verwalter</translation>
        </message>
        <message>
            <source>nobody signed in</source>
            <translation>niemand angemeldet</translation>
        </message>
        <message>
            <source>Quit</source>
            <translation>Beenden</translation>
        </message>
        <message>
            <source>Full screen</source>
            <translation>Vollbild</translation>
        </message>
        <message>
            <source>Keys</source>
            <translation>Tasten</translation>
        </message>
        <message>
            <source>Dark</source>
            <translation>Dunkel</translation>
        </message>
        <message>
            <source>Light</source>
            <translation>Hell</translation>
        </message>
        <message>
            <source>Lock</source>
            <translation>Sperren</translation>
        </message>
        <message>
            <source>Sign out</source>
            <translation>Abmelden</translation>
        </message>
        <message>
            <source>Database</source>
            <translation>Datenbank</translation>
        </message>
        <message>
            <source>&amp;Window</source>
            <translation>&amp;Fenster</translation>
        </message>
        <message>
            <source>&amp;View</source>
            <translation>&amp;Ansicht</translation>
        </message>
        <message>
            <source>&amp;Help</source>
            <translation>&amp;Hilfe</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Name</translation>
        </message>
        <message>
            <source>Password</source>
            <translation>Passwort</translation>
        </message>
        <message>
            <source>Role</source>
            <translation>Rolle</translation>
        </message>
        <message>
            <source>Language</source>
            <translation>Sprache</translation>
        </message>
        <message>
            <source>Only who locked the window opens it. Sign out here to let another in.</source>
            <translation>Nur wer gesperrt hat, kann öffnen. Melden Sie hier ab, um andere einzulassen.</translation>
        </message>
        <message>
            <source>Your work is kept as you left it. Enter your password to go on.</source>
            <translation>Ihre Arbeit ist so, wie Sie sie verlassen haben. Zum Fortfahren Passwort eingeben.</translation>
        </message>
        <message>
            <source>Nobody has an account in this database yet. Choose a name and a password of at least 10 characters.</source>
            <translation>In dieser Datenbank hat noch niemand ein Konto. Wählen Sie einen Namen und ein Passwort mit mindestens 10 Zeichen.</translation>
        </message>
        <message>
            <source>Quality engineer: labels, approves, audits</source>
            <translation>Qualität: urteilt, gibt frei, auditiert</translation>
        </message>
        <message>
            <source>Process engineer: labels, recipes, models</source>
            <translation>Prozess: urteilt, Rezepte, Modelle</translation>
        </message>
        <message>
            <source>Operator: labels</source>
            <translation>Bediener: urteilt</translation>
        </message>
        <message>
            <source>Administrator: accounts, no labels</source>
            <translation>Verwalter: Konten, urteilt nicht</translation>
        </message>
        <message>
            <source>Locked</source>
            <translation>Gesperrt</translation>
        </message>
        <message>
            <source>Unlock</source>
            <translation>Entsperren</translation>
        </message>
        <message>
            <source>Nobody has an account in this database yet. An administrator makes one with:</source>
            <translation>In dieser Datenbank hat noch niemand ein Konto. Ein Verwalter legt eines an mit:</translation>
        </message>
        <message>
            <source>First account</source>
            <translation>Erstes Konto</translation>
        </message>
        <message>
            <source>Sign in</source>
            <translation>Anmelden</translation>
        </message>
        <message>
            <source>Make account and sign in</source>
            <translation>Konto anlegen und anmelden</translation>
        </message>
    </context>
</TS>
